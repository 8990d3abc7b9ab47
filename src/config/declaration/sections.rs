//! The keys of the configuration as a whole, and of its sections `http`, `metrics`, `control`,
//! `director` and `real_server`.

use super::super::{DirectorExit, DirectorRemoval, OnArpConflict, PerRealServer, RealServerExit};
use super::{
    ANY_TEXT, DAY, DEFAULTS, Default, HOST_ADDRESS, INTERFACE, Key, Kind, LISTEN, LONGEST_TIMEOUT,
    Mapping, NOTIFY, Optional, PATH, Required, SERVICE, Text, key, seconds, text, words,
};

pub(in crate::config) const INCLUDE: Text = text(
    "the path of a file, or a pattern",
    "write it like `include: conf.d/*.yaml`",
    "",
);
pub(in crate::config) const SOCKET_PATH: Text = text(PATH.wanted, PATH.hint, "^/.{0,106}$");
const SYSCTL_VALUE: Text = text(ANY_TEXT.wanted, ANY_TEXT.hint, "^[^\\x00-\\x1f]+$");

const LIST_SERVICES: &str =
    "list at least one virtual service below `virtual_services:`, as in the examples";
const SERVICES: Kind = Kind::List(&Kind::Mapping(&SERVICE), 1);

pub(in crate::config) static CONFIGURATION: Mapping = Mapping::new(
    "configuration",
    "the configuration",
    "The file that is named.",
    &[&[
        key(
            "include",
            Kind::Text(INCLUDE),
            Optional("nothing is included"),
            "Further files, such as `conf.d/*.yaml`, which hold `virtual_services` alone. \
             The path starts where this file is. A file that is missing, cannot be read or has a \
             mistake makes the whole configuration invalid.",
        ),
        HTTP_KEY,
        key(
            "metrics",
            Kind::Mapping(&METRICS),
            Optional("the defaults of its keys"),
            "What a director's metrics are about.",
        ),
        CONTROL_KEY,
        key(
            "state_dir",
            Kind::Text(PATH),
            Default("/var/lib/lvs-agent"),
            "The directory in which the agent remembers what it owns in the kernel.",
        ),
        key(
            "notify",
            Kind::AnyOf(&[Kind::List(&Kind::Mapping(&NOTIFY), 0), NOTHING]),
            Optional("nothing is notified"),
            "Programs, webhooks and mail that receive events.",
        ),
        key(
            "director",
            Kind::Mapping(&DIRECTOR),
            Optional("the defaults of its keys"),
            "For `lvs-agent run`.",
        ),
        key(
            "real_server",
            Kind::Mapping(&REAL_SERVER_ROLE),
            Optional("the defaults of its keys"),
            "For `lvs-agent run --real-server`.",
        ),
        key(
            "defaults",
            Kind::Mapping(&DEFAULTS),
            Optional("each virtual service says all itself"),
            "Keys of virtual services, for all that do not have the same key themselves.",
        ),
        key(
            "virtual_services",
            SERVICES,
            Optional("those of the included files"),
            "The virtual services: at least one, here or in an included file.",
        ),
    ]],
);

/// Nothing after the colon.
const NOTHING: Kind = Kind::AnyOf(&[]);

pub(in crate::config) static INCLUDED: Mapping = Mapping::new(
    "included_file",
    "an included file",
    "A file that `include` names.",
    &[&[key(
        "virtual_services",
        SERVICES,
        Required(LIST_SERVICES),
        "The virtual services of this file.",
    )]],
);

const HTTP_KEY: Key = key(
    "http",
    Kind::Mapping(&HTTP_SECTION),
    Optional("the defaults of its keys"),
    "The read-only HTTP endpoints.",
);
const CONTROL_KEY: Key = key(
    "control",
    Kind::Mapping(&CONTROL),
    Optional("the defaults of its keys"),
    "The control socket.",
);
const ROLE_HTTP: Key = key(
    "http",
    Kind::Mapping(&HTTP_SECTION),
    Optional("`http` of the top level"),
    "The HTTP endpoints of this role's agent.",
);
const ROLE_CONTROL: Key = key(
    "control",
    Kind::Mapping(&CONTROL),
    Optional("`control` of the top level"),
    "The control socket of this role's agent.",
);
const RESYNC_INTERVAL: Key = key(
    "resync_interval",
    seconds(1, DAY),
    Default("10s"),
    "How often the kernel is compared with the configuration.",
);

pub(in crate::config) static HTTP_SECTION: Mapping = Mapping::section(
    "http",
    "the section `http`",
    "The read-only HTTP endpoints.",
    &[&[key(
        "listen",
        Kind::Text(LISTEN),
        Default("127.0.0.1:9477"),
        "Address and port of metrics, status and the status page.",
    )]],
);

pub(in crate::config) static METRICS: Mapping = Mapping::section(
    "metrics",
    "the section `metrics`",
    "What the metrics of a director are about.",
    &[&[key(
        "per_real_server",
        Kind::Choice(words::<PerRealServer>),
        Default("full"),
        "Which series each real server has in each virtual service.",
    )]],
);

pub(in crate::config) static CONTROL: Mapping = Mapping::section(
    "control",
    "the section `control`",
    "The control socket.",
    &[&[key(
        "socket",
        Kind::Text(SOCKET_PATH),
        Default("/run/lvs-agent/control.sock"),
        "The socket for `status`, `reload`, `drain`, `undrain` and `weight`; its path has at most 107 bytes.",
    )]],
);

pub(in crate::config) static DIRECTOR: Mapping = Mapping::section(
    "director",
    "the section `director`",
    "The section of directors, for `lvs-agent run`.",
    &[&[
        ROLE_HTTP,
        ROLE_CONTROL,
        key(
            "interface",
            Kind::Text(INTERFACE),
            Optional("another program adds the VIPs"),
            "The interface that gets the VIPs, as /32 (IPv6: /128).",
        ),
        key(
            "link",
            Kind::Text(INTERFACE),
            Optional("`interface`"),
            "The interface of the LAN: its carrier is watched, VIPs are announced there and ARP \
             conflicts are looked for.",
        ),
        key(
            "garp_refresh",
            seconds(1, DAY),
            Optional("VIPs are announced after changes only"),
            "The interval between announcements of each VIP. Needs `interface`.",
        ),
        RESYNC_INTERVAL,
        key(
            "timeouts",
            Kind::Mapping(&TIMEOUTS),
            Optional("the kernel's"),
            "IPVS's time-outs, for all services of the host.",
        ),
        key(
            "sysctls",
            SYSCTLS,
            Optional(
                "`net.ipv4.vs.expire_quiescent_template: 1` and \
                 `net.ipv4.vs.expire_nodest_conn: 1`",
            ),
            "Kernel parameters; keys given here are added to the defaults or replace their values.",
        ),
        key(
            "on_arp_conflict",
            Kind::Choice(words::<OnArpConflict>),
            Default("warn"),
            "What happens to a real server that answers ARP for a VIP.",
        ),
        key(
            "probe_mark",
            Kind::Mapping(&PROBE_MARK),
            Optional("the defaults of its keys"),
            "The firewall marks of probes through VIPs.",
        ),
        key(
            "on_exit",
            Kind::Choice(words::<DirectorExit>),
            Default("keep"),
            "What happens to the table when the agent ends.",
        ),
        key(
            "on_removal",
            Kind::Choice(words::<DirectorRemoval>),
            Default("remove"),
            "What happens to a real server or a virtual service that leaves the configuration.",
        ),
        key(
            "removal_deadline",
            seconds(1, DAY),
            Default("5m"),
            "When a removal is completed at the latest.",
        ),
    ]],
);

const SYSCTLS: Kind = Kind::Map(&Kind::AnyOf(&[
    Kind::Integer(i64::MIN, i64::MAX, 1),
    Kind::Text(SYSCTL_VALUE),
]));

/// A time-out of the table.
const fn timeout(name: &'static str, doc: &'static str) -> Key {
    key(
        name,
        seconds(1, LONGEST_TIMEOUT),
        Optional("the kernel's"),
        doc,
    )
}

pub(in crate::config) static TIMEOUTS: Mapping = Mapping::section(
    "timeouts",
    "the section `timeouts`",
    "IPVS's time-outs in whole seconds; those that are not given are left alone.",
    &[&[
        timeout("tcp", "Of an idle TCP connection."),
        timeout("tcpfin", "Of a TCP connection after a FIN."),
        timeout("udp", "Of UDP packets."),
    ]],
);

pub(in crate::config) static PROBE_MARK: Mapping = Mapping::section(
    "probe_mark",
    "the section `probe_mark`",
    "The firewall marks of probes through VIPs. The bits of `mask` follow each other and are 0 in \
     `base`.",
    &[&[
        key(
            "base",
            Kind::Integer(1, u32::MAX as i64, 0x2000),
            Default("0x2000"),
            "The bits that all of the marks have.",
        ),
        key(
            "mask",
            Kind::Integer(1, u32::MAX as i64, 0x1fff),
            Default("0x1fff"),
            "The bits by which the marks differ.",
        ),
    ]],
);

pub(in crate::config) static REAL_SERVER_ROLE: Mapping = Mapping::section(
    "real_server",
    "the section `real_server`",
    "The section of real servers, for `lvs-agent run --real-server`.",
    &[&[
        ROLE_HTTP,
        ROLE_CONTROL,
        key(
            "interface",
            Kind::Text(INTERFACE),
            Default("lo"),
            "The interface that gets the VIPs, as /32 (IPv6: /128).",
        ),
        key(
            "vips",
            Kind::List(&Kind::Text(HOST_ADDRESS), 1),
            Optional("those of the services that list one of this host's addresses"),
            "The VIPs. A real server of a service by `fwmark` needs the key.",
        ),
        key(
            "sysctls",
            SYSCTLS,
            Optional(
                "`arp_ignore: 1` and `arp_announce: 2` of `net.ipv4.conf.all` and \
                 `net.ipv4.conf.lo`, and `net.ipv4.conf.default.rp_filter: 1`",
            ),
            "Kernel parameters; a mapping given here replaces the defaults, and `{}` sets none.",
        ),
        RESYNC_INTERVAL,
        key(
            "on_exit",
            Kind::Choice(words::<RealServerExit>),
            Default("keep"),
            "What happens to VIPs and kernel parameters when the agent ends.",
        ),
    ]],
);
