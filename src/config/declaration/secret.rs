//! The keys that say where a secret is.

use super::{ANY_TEXT, Alternatives, Kind, Mapping, Optional, PATH, Text, key, text};

pub(in crate::config) const VARIABLE: Text = text(
    "the name of an environment variable",
    "write a name like `{ env: WEBHOOK_TOKEN }`, without a `$`",
    "^[A-Za-z_][A-Za-z0-9_]*$",
);
pub(in crate::config) const CREDENTIAL: Text = text(
    "the name of a credential",
    "write the name that `LoadCredential=` of the agent's unit gives, like \
     `{ credential: webhook-token }`",
    "^[!-.0-9;-~]{1,255}$",
);

pub(in crate::config) static SECRET_SOURCE: Mapping = Mapping::new(
    "secret",
    "a secret",
    "Where a secret is, in place of its text. One line break at the end of what is there is left \
     out.",
    &[&[
        key(
            "env",
            Kind::Text(VARIABLE),
            Optional("another key"),
            "A variable of the agent's environment.",
        ),
        key(
            "file",
            Kind::Text(PATH),
            Optional("another key"),
            "A file of at most 64 KiB, which is read at the start and at each reload.",
        ),
        key(
            "credential",
            Kind::Text(CREDENTIAL),
            Optional("another key"),
            "A credential of the agent's unit (`LoadCredential=`, systemd.exec(5)): the file of \
             this name in `$CREDENTIALS_DIRECTORY`.",
        ),
    ]],
)
.with(Alternatives::ExactlyOne(&["env", "file", "credential"]));

/// In place of a text.
pub(super) const ELSEWHERE: Kind = Kind::Mapping(&SECRET_SOURCE);
pub(super) const SECRET: Kind = Kind::AnyOf(&[Kind::Text(ANY_TEXT), ELSEWHERE]);
