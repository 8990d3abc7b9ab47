//! The keys of the check `dns`.

use crate::config::declaration::{
    ANY_TEXT, Default, Kind, Mapping, Optional, Required, Text, key, port, text,
};

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
            Kind::Text(DNS_NAME),
            Required("add a line like `name: example.com`"),
            "The name that is asked for.",
        ),
        key(
            "type",
            Kind::Text(RECORD_TYPE),
            Default("A"),
            "The type of record that is asked for.",
        ),
        key(
            "answers",
            Kind::AnyOf(&[Kind::Text(ANY_TEXT), Kind::List(&Kind::Text(ANY_TEXT), 0)]),
            Optional("any record of the type will do"),
            "Records that must be among the answers, written as in a zone file.",
        ),
        key(
            "rcode",
            Kind::AnyOf(&[Kind::Text(RCODE), Kind::List(&Kind::Text(RCODE), 1)]),
            Optional("`NOERROR` with a record of the type"),
            "Response codes that pass, like `NXDOMAIN`; no record is needed with the key.",
        ),
    ]],
);

pub(in crate::config) const DNS_NAME: Text = text(
    "a name of the DNS",
    "write it like `name: example.com`",
    "^",
);
pub(in crate::config) const RECORD_TYPE: Text = text(
    "a type of DNS records",
    "write it like `type: AAAA`",
    "^[A-Za-z0-9]+$",
);
const RCODE: Text = text(
    "a response code of the DNS",
    "write it like `NXDOMAIN`",
    "^[A-Za-z]+$",
);
