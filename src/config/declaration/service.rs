//! The keys of a virtual service and of its real servers.

use crate::model::{Checksum, Family, Forwarding, Protocol, ServiceFlags, Weight};

use super::super::OnFailure;
use super::choices::TunnelType;
use super::{
    Alternatives, CHECK_OR_NONE, Default, HOST_ADDRESS, Key, Kind, LONGEST_TIMEOUT, Mapping, NAME,
    Optional, Required, SERVICE_ADDRESS, Text, key, port, seconds, text, words,
};

const WEIGHTS: i64 = Weight::MAX.get() as i64;

pub(in crate::config) static SERVICE: Mapping = Mapping::new(
    "virtual_service",
    "a virtual service",
    "An entry of `virtual_services`.",
    &[
        &[
            key(
                "name",
                Kind::Text(NAME),
                Required("add a line like `name: web`"),
                "The name in logs, metrics and commands.",
            ),
            key(
                "address",
                Kind::Text(SERVICE_ADDRESS),
                Optional("`addresses` or `fwmark`"),
                "The VIP and its port, like `192.168.11.200:80` or `\"[2001:db8::200]:80\"`; \
                 `192.168.11.200:*` is every port and needs `persistence`.",
            ),
            key(
                "addresses",
                Kind::List(&Kind::Text(SERVICE_ADDRESS), 1),
                Optional("`address` or `fwmark`"),
                "VIPs and ports; each makes a virtual service.",
            ),
            key(
                "fwmark",
                Kind::Integer(1, u32::MAX as i64, 10),
                Optional("`address` or `addresses`"),
                "A firewall mark in place of an address. Needs `family`.",
            ),
            key(
                "family",
                Kind::Choice(words::<Family>),
                Optional("the address's own"),
                "The address family of a service by `fwmark`.",
            ),
        ],
        &SHAREABLE,
        &[key(
            "real_servers",
            Kind::List(&Kind::Mapping(&REAL_SERVER), 1),
            Required(
                "list at least one below `real_servers:`, \
                 like `- { name: rs1, address: 192.168.11.21 }`",
            ),
            "The real servers; at least one.",
        )],
        &POOL,
    ],
)
.with(Alternatives::ExactlyOne(&[
    "address",
    "addresses",
    "fwmark",
]));

pub(in crate::config) static DEFAULTS: Mapping = Mapping::section(
    "defaults",
    "the section `defaults`",
    "What holds for each virtual service that does not have the same key itself, in included \
     files as well. A value is taken as a whole, but for a service's `check` without a kind, \
     which takes the keys that it does not have. Only services that may have a value take it: \
     `tunnel` those with `forwarding: tunnel`, `scheduler_flags` those with `sh` or `mh`, \
     `one_packet` those over UDP or by a mark, `protocol` those with an address.",
    &[&SHAREABLE, &POOL],
);

pub(in crate::config) const SCHEDULER: Text = text(
    "the name of a scheduler, of at most 15 letters, digits, `_` or `-`",
    "write a name such as `wlc`, `wrr` or `sh`",
    "^[A-Za-z0-9_-]{1,15}$",
);

/// The keys that `defaults` may have as well.
const SHAREABLE: [Key; 8] = [
    key(
        "protocol",
        Kind::Choice(words::<Protocol>),
        Default("tcp"),
        "The protocol of a service by address.",
    ),
    key(
        "scheduler",
        Kind::Text(SCHEDULER),
        Default("wlc"),
        "How the kernel chooses the next real server.",
    ),
    key(
        "scheduler_flags",
        Kind::List(&Kind::Choice(words::<ServiceFlags>), 0),
        Optional("no flags"),
        "Flags of the schedulers `sh` and `mh`.",
    ),
    key(
        "one_packet",
        Kind::Bool,
        Default("false"),
        "Schedules every datagram anew; for `udp` and `fwmark`.",
    ),
    key(
        "forwarding",
        Kind::Choice(words::<Forwarding>),
        Default("direct"),
        "How packets reach the real servers that do not say it themselves.",
    ),
    key(
        "tunnel",
        Kind::Mapping(&TUNNEL),
        Optional("the defaults of its keys"),
        "For `forwarding: tunnel`.",
    ),
    key(
        "persistence",
        Kind::Mapping(&PERSISTENCE),
        Optional("clients are not kept"),
        "Keeps clients on their real server.",
    ),
    key(
        "check",
        CHECK_OR_NONE,
        Optional("HTTP GET `/`; for UDP and SCTP the key must be there"),
        "What every real server without a check of its own must pass.",
    ),
];

pub(in crate::config) const SHARE: Text = text(
    "a share from 1% to 100%",
    "write it like `30%`",
    "^\\+?0*([1-9][0-9]?|100)%$",
);

/// The same, for what becomes of all its real servers together.
const POOL: [Key; 7] = [
    key(
        "slow_start",
        seconds(1, 3600),
        Optional("off"),
        "How long a real server that has come up takes to its whole weight.",
    ),
    key(
        "flap_damping",
        Kind::Bool,
        Default("true"),
        "Whether a real server that keeps failing must pass for longer.",
    ),
    key(
        "quorum",
        Kind::Integer(1, WEIGHTS, 1),
        Optional("1"),
        "The weight that must be up.",
    ),
    key(
        "hysteresis",
        Kind::Integer(0, WEIGHTS, 0),
        Optional("0"),
        "The quorum is lost with less than `quorum` less this up, and met with `quorum` and this.",
    ),
    key(
        "fail_open_below",
        Kind::Text(SHARE),
        Optional("off"),
        "With less than this share of the weight up, failing real servers serve, too.",
    ),
    key(
        "sorry_server",
        Kind::Mapping(&SORRY_SERVER),
        Optional("none"),
        "The server that serves while the quorum is lost.",
    ),
    key(
        "on_failure",
        Kind::Choice(words::<OnFailure>),
        Optional("what suits the protocol and the failure"),
        "What happens to a real server that fails, and to its connections.",
    ),
];

const REAL_SERVER_PORT: Key = key(
    "port",
    port(80),
    Optional("the virtual service's"),
    "Another port only with `forwarding: masquerade`.",
);
const OWN_FORWARDING: Key = key(
    "forwarding",
    Kind::Choice(words::<Forwarding>),
    Optional("the virtual service's"),
    "How packets reach this one alone.",
);
const OWN_TUNNEL: Key = key(
    "tunnel",
    Kind::Mapping(&TUNNEL),
    Optional("the virtual service's if that has a tunnel, else the defaults of its keys"),
    "For `forwarding: tunnel`; takes no key from the virtual service's `tunnel`.",
);

/// A number of connections.
const CONNECTIONS: i64 = i32::MAX as i64;

pub(in crate::config) const HOST_ADDRESSES: Text = text(
    "an IP address, or a range of them",
    "write it like `192.168.11.21`, or `192.168.11.21-60` for a range",
    "^[0-9A-Fa-f.:\\[\\] -]+$",
);

pub(in crate::config) static REAL_SERVER: Mapping = Mapping::new(
    "real_server_entry",
    "a real server",
    "An entry of `real_servers`.",
    &[&[
        key(
            "name",
            Kind::Text(NAME),
            Required("add a line like `name: rs1`"),
            "The name in logs, metrics and commands; unique in the virtual service.",
        ),
        key(
            "address",
            Kind::Text(HOST_ADDRESSES),
            Required("add a line like `address: 192.168.11.21`"),
            "The real server's own address. A range, such as `192.168.11.21-60`, makes a real \
             server of each address.",
        ),
        REAL_SERVER_PORT,
        OWN_FORWARDING,
        OWN_TUNNEL,
        key(
            "check",
            CHECK_OR_NONE,
            Optional("the virtual service's"),
            "What this one must pass, with its kind; takes no key from the virtual service's \
             `check`.",
        ),
        key(
            "weight",
            Kind::Integer(0, WEIGHTS, 1),
            Default("1"),
            "The share of new connections.",
        ),
        key(
            "upper_threshold",
            Kind::Integer(0, CONNECTIONS, 1000),
            Default("0"),
            "The number of connections from which on there are no new ones; 0 is no limit.",
        ),
        key(
            "lower_threshold",
            Kind::Integer(0, CONNECTIONS, 800),
            Optional("three quarters of `upper_threshold`"),
            "The number of connections below which there are new ones again.",
        ),
    ]],
);

pub(in crate::config) static SORRY_SERVER: Mapping = Mapping::new(
    "sorry_server",
    "a sorry server",
    "The server that serves while the quorum is lost.",
    &[&[
        key(
            "address",
            Kind::Text(HOST_ADDRESS),
            Required("add a line like `address: 192.168.11.30`"),
            "Its own address.",
        ),
        REAL_SERVER_PORT,
        OWN_FORWARDING,
        OWN_TUNNEL,
        key(
            "check",
            CHECK_OR_NONE,
            Optional("the virtual service's"),
            "What it must pass.",
        ),
    ]],
);

pub(in crate::config) static TUNNEL: Mapping = Mapping::new(
    "tunnel",
    "a tunnel",
    "How packets are wrapped on their way to real servers.",
    &[&[
        key(
            "type",
            Kind::Choice(words::<TunnelType>),
            Default("ipip"),
            "The encapsulation.",
        ),
        key(
            "port",
            port(6080),
            Optional("6080"),
            "The UDP port of a tunnel of type `gue`.",
        ),
        key(
            "checksum",
            Kind::Choice(words::<Checksum>),
            Optional("`none`"),
            "The checksum of a tunnel of type `gue` or `gre`.",
        ),
    ]],
);

const NETMASK: Text = text(
    "a netmask of IPv4",
    "write it like `255.255.255.0`",
    "^[0-9.]+$",
);
pub(in crate::config) const ENGINE: Text = text(
    "the name of a persistence engine, of at most 15 letters",
    "write `sip`, the one that Linux has, or remove the key: then clients are told apart by \
     their addresses",
    "^[A-Za-z0-9_-]{1,15}$",
);

pub(in crate::config) static PERSISTENCE: Mapping = Mapping::new(
    "persistence",
    "the persistence",
    "Which clients are kept on their real server, and for how long.",
    &[&[
        key(
            "timeout",
            seconds(1, LONGEST_TIMEOUT),
            Default("5m"),
            "How long a client without connections is kept, in whole seconds.",
        ),
        key(
            "netmask",
            Kind::AnyOf(&[Kind::Integer(1, 128, 24), Kind::Text(NETMASK)]),
            Optional("each address is a client"),
            "The prefix length of the networks that count as one client.",
        ),
        key(
            "engine",
            Kind::Text(ENGINE),
            Optional("clients are told apart by their addresses"),
            "The persistence engine; Linux has `sip`.",
        ),
    ]],
);
