//! The keys that say whose certificates are trusted, of checks and webhooks alike.

use super::{Default, Key, Kind, Optional, PATH, key};

pub(super) const CA: Key = key(
    "ca",
    Kind::Text(PATH),
    Optional("the authorities that this host trusts"),
    "Certificates of authorities in PEM.",
);
pub(super) const VERIFY: Key = key(
    "verify",
    Kind::Bool,
    Default("true"),
    "Whether the server's certificate must be valid.",
);
