//! The keys of the checks on the director itself: `exec` and `file`.

use crate::config::declaration::{
    ANY_TEXT, Default, Kind, Mapping, Optional, PATH, Required, Text, key, text,
};

pub(in crate::config) const USER: Text = text(
    "the name of a user",
    "write it like `user: nobody`",
    "^[^:\\x00\\n]+$",
);

pub(in crate::config) static EXEC: Mapping = Mapping::section(
    "exec_check",
    "an exec check",
    "A program on the director ends with 0.",
    &[&[
        key(
            "command",
            Kind::List(&Kind::Text(ANY_TEXT), 1),
            Required("add a line like `command: [/usr/local/bin/check, \"{address}\"]`"),
            "The program's absolute path and its arguments, in which `{address}` and `{port}` \
             stand for the real server's.",
        ),
        key(
            "user",
            Kind::Text(USER),
            Optional("the agent's own"),
            "Who runs the program.",
        ),
        key(
            "advice",
            Kind::Bool,
            Default("false"),
            "Whether the first line of the program's output is a weight.",
        ),
    ]],
);

pub(in crate::config) static FILE: Mapping = Mapping::section(
    "file_check",
    "a file check",
    "A file on the director does not contain `down`.",
    &[&[key(
        "path",
        Kind::Text(PATH),
        Required("add a line like `path: \"/etc/lvs-agent/weights/{address}\"`"),
        "The path, in which `{address}` and `{port}` stand for the real server's.",
    )]],
);
