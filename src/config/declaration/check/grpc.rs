//! The keys of the check `grpc`.

use super::{TLS_KEYS, own_port};
use crate::config::declaration::{Default, Kind, Mapping, Optional, Text, key, text};

pub(in crate::config) const SERVICE_NAME: Text =
    text("the name of a service", "put it in quotes", "");

pub(in crate::config) static GRPC: Mapping = Mapping::section(
    "grpc_check",
    "a gRPC check",
    "gRPC's standard health service reports `SERVING`.",
    &[
        &[
            own_port(443),
            key(
                "service",
                Kind::Text(SERVICE_NAME),
                Optional("the server as a whole"),
                "The service that is asked for.",
            ),
            key(
                "tls",
                Kind::Bool,
                Default("false"),
                "HTTP/2 over TLS; the keys below need it.",
            ),
        ],
        &TLS_KEYS,
    ],
);
