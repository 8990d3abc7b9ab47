//! The keys of the checks `http` and `https`.

use super::TLS_KEYS;
use super::bytes::{EXPECTED_BODY, SOME_TEXT};
use crate::config::declaration::{
    Default, Key, Kind, Mapping, Optional, SECRET, Text, key, port, text,
};

pub(in crate::config) const REQUEST_TARGET: Text = text(
    "a path that starts with `/`, in ASCII without spaces",
    "write it like `/health`; a space is `%20`",
    "^/[!-~]*$",
);
pub(in crate::config) const HOST: Text = text(
    "a host name in ASCII without spaces",
    "write it like `www.example.com`, or remove the key: then it is the VIP",
    "^[!-.0-~]{1,259}$",
);
pub(in crate::config) const METHOD: Text = text(
    "a request method in upper case",
    "write a method such as `HEAD` or `POST`",
    "^[A-Z-]{1,20}$",
);

const HTTP_KEYS: [Key; 6] = [
    key(
        "path",
        Kind::Text(REQUEST_TARGET),
        Default("/"),
        "The request target.",
    ),
    key(
        "host",
        Kind::Text(HOST),
        Optional("the VIP"),
        "The `Host` header.",
    ),
    key(
        "method",
        Kind::Text(METHOD),
        Default("GET"),
        "The request method, but `CONNECT` and `TRACE`.",
    ),
    key(
        "headers",
        Kind::Map(&SECRET),
        Optional("no further headers"),
        "Further headers, values in ASCII.",
    ),
    key("body", SECRET, Optional("none"), "The body that is sent."),
    key(
        "expect",
        Kind::Mapping(&EXPECT),
        Optional("the defaults of its keys"),
        "What the answer must have.",
    ),
];

pub(in crate::config) static HTTP: Mapping = Mapping::section(
    "http_check",
    "an HTTP check",
    "The status, and the body if one is configured, are as expected.",
    &[
        &HTTP_KEYS,
        &[http_port(80, "the real server's own, or 80 with `fwmark`")],
    ],
);

pub(in crate::config) static HTTPS: Mapping = Mapping::section(
    "https_check",
    "an HTTPS check",
    "The same over TLS.",
    &[
        &HTTP_KEYS,
        &[http_port(
            443,
            "the real server's own, or 443 with `fwmark`",
        )],
        &TLS_KEYS,
    ],
);

const fn http_port(example: i64, without: &'static str) -> Key {
    key(
        "port",
        port(example),
        Optional(without),
        "The port on the real server.",
    )
}

pub(in crate::config) static EXPECT: Mapping = Mapping::section(
    "expect",
    "`expect`",
    "What the answer to an HTTP request must have.",
    &[&[
        key(
            "status",
            Kind::AnyOf(&[
                STATUS,
                Kind::Text(STATUS_RANGE),
                Kind::List(&Kind::AnyOf(&[STATUS, Kind::Text(STATUS_RANGE)]), 1),
            ]),
            Default("200-299"),
            "Status codes and ranges of them.",
        ),
        key(
            "body",
            Kind::AnyOf(&[Kind::Text(SOME_TEXT), Kind::Mapping(&EXPECTED_BODY)]),
            Optional("any body"),
            "What the body must have or must not have.",
        ),
    ]],
);

const STATUS: Kind = Kind::Integer(100, 599, 200);

const STATUS_RANGE: Text = text(
    "a range of status codes, the lower first",
    "write a range like `200-299`",
    "^\\s*[1-5][0-9]{2}\\s*(-\\s*[1-5][0-9]{2}\\s*)?$",
);
