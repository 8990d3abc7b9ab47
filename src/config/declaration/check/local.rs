//! The keys of the checks on the director itself: `exec` and `file`.

use crate::config::declaration::{Default, Kind, Mapping, Optional, PATH, Required, key, text};

pub(in crate::config) static EXEC: Mapping = Mapping::section(
    "exec_check",
    "an exec check",
    "A program on the director ends with 0.",
    &[&[
        key(
            "command",
            Kind::List(&text("a text", ""), 1),
            Required("add a line like `command: [/usr/local/bin/check, \"{address}\"]`"),
            "The program's absolute path and its arguments, in which `{address}` and `{port}` \
             stand for the real server's.",
        ),
        key(
            "user",
            text("the name of a user", "^[^:\\x00\\n]+$"),
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
        PATH,
        Required("add a line like `path: \"/etc/lvs-agent/weights/{address}\"`"),
        "The path, in which `{address}` and `{port}` stand for the real server's.",
    )]],
);
