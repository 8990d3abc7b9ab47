//! The keys of the check `dns`.

use crate::config::declaration::{Default, Kind, Mapping, Optional, Required, key, port, text};

pub(in crate::config) static DNS: Mapping = Mapping::section(
    "dns_check",
    "a DNS check",
    "The answer has the expected records or response code.",
    &[&[
        key(
            "port",
            port(53),
            Default("53"),
            "The port on the real server.",
        ),
        key(
            "name",
            text("a name of the DNS", "^"),
            Required("add a line like `name: example.com`"),
            "The name that is asked for.",
        ),
        key(
            "type",
            text("a type of DNS records", "^[A-Za-z0-9]+$"),
            Default("A"),
            "The type of record that is asked for.",
        ),
        key(
            "answers",
            Kind::AnyOf(&[text("a text", ""), Kind::List(&text("a text", ""), 0)]),
            Optional("any record of the type will do"),
            "Records that must be among the answers, written as in a zone file.",
        ),
        key(
            "rcode",
            Kind::AnyOf(&[RCODE, Kind::List(&RCODE, 1)]),
            Optional("`NOERROR` with a record of the type"),
            "Response codes that pass, like `NXDOMAIN`; no record is needed with the key.",
        ),
    ]],
);

const RCODE: Kind = text("a response code of the DNS", "^[A-Za-z]+$");
