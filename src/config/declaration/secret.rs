//! The keys that say where a secret is.

use super::{Alternatives, Kind, Mapping, Optional, PATH, key, text};

pub(in crate::config) static SECRET_SOURCE: Mapping = Mapping::new(
    "secret",
    "a secret",
    "Where a secret is, in place of its text. One line break at the end of what is there is left \
     out.",
    &[&[
        key(
            "env",
            text(
                "the name of an environment variable",
                "^[A-Za-z_][A-Za-z0-9_]*$",
            ),
            Optional("another key"),
            "A variable of the agent's environment.",
        ),
        key(
            "file",
            PATH,
            Optional("another key"),
            "A file of at most 64 KiB, which is read at the start and at each reload.",
        ),
        key(
            "credential",
            text("the name of a credential", "^[!-.0-9;-~]{1,255}$"),
            Optional("another key"),
            "A credential of the agent's unit (`LoadCredential=`, systemd.exec(5)): the file of \
             this name in `$CREDENTIALS_DIRECTORY`.",
        ),
    ]],
)
.with(Alternatives::ExactlyOne(&["env", "file", "credential"]));

/// In place of a text.
pub(super) const ELSEWHERE: Kind = Kind::Mapping(&SECRET_SOURCE);
pub(super) const SECRET: Kind = Kind::AnyOf(&[text("a text", ""), ELSEWHERE]);
