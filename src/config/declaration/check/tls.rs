//! The keys of TLS, which stand beside those of the check that uses it.

use crate::config::declaration::trust::{CA, VERIFY};
use crate::config::declaration::{ELSEWHERE, Key, Kind, Optional, PATH, Text, key, text};

pub(in crate::config) const SERVER_NAME: Text = text(
    "the name or the address that the certificate is for",
    "write it like `www.example.com`",
    "^[A-Za-z0-9._:-]{1,253}$",
);

pub(in crate::config) const TLS_KEYS: [Key; 5] = [
    key(
        "server_name",
        Kind::Text(SERVER_NAME),
        Optional("the host, or the address that is probed"),
        "The name that is asked for (SNI) and that the certificate must be for.",
    ),
    CA,
    key(
        "client_certificate",
        Kind::Text(PATH),
        Optional("none"),
        "The client's certificate, in PEM. Needs `client_key`.",
    ),
    key(
        "client_key",
        Kind::AnyOf(&[Kind::Text(PATH), ELSEWHERE]),
        Optional("none"),
        "The key of `client_certificate`, in PEM: the path of its file, or where the key is.",
    ),
    VERIFY,
];
