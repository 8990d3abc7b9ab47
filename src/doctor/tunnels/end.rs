//! The interface on a real server that unpacks the packets of a tunnel.

use std::net::IpAddr;

use crate::model::{Family, Interface, Tunnel};

/// The end of a tunnel on a real server, for packets of one family inside
/// those of another.
///
/// Each kind of link (ip-link(8)) takes what its driver registers for: `ipip`
/// IPv4 in IPv4 (`net/ipv4/ipip.c`), `sit` IPv6 in IPv4 (`net/ipv6/sit.c`),
/// `ip6tnl` both in IPv6 (`net/ipv6/ip6_tunnel.c`), `gre` and `ip6gre` both in
/// theirs (`net/ipv4/ip_gre.c`, `net/ipv6/ip6_gre.c`). What GUE carries is
/// given to the first three (`net/ipv4/fou_core.c`).
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    tunnel: Tunnel,
    inner: Family,
    outer: Family,
}

impl End {
    pub(super) const fn new(tunnel: Tunnel, inner: Family, outer: Family) -> Self {
        Self {
            tunnel,
            inner,
            outer,
        }
    }

    /// The kind of link, its module, and the interface that comes with that
    /// and takes what no other one of this kind is made for.
    const fn names(self) -> [&'static str; 3] {
        match (self.tunnel, self.outer, self.inner) {
            (Tunnel::Gre { .. }, Family::Ipv4, _) => ["gre", "ip_gre", "gre0"],
            (Tunnel::Gre { .. }, Family::Ipv6, _) => ["ip6gre", "ip6_gre", "ip6gre0"],
            (_, Family::Ipv4, Family::Ipv4) => ["ipip", "ipip", "tunl0"],
            (_, Family::Ipv4, Family::Ipv6) => ["sit", "sit", "sit0"],
            (_, Family::Ipv6, _) => ["ip6tnl", "ip6_tunnel", "ip6tnl0"],
        }
    }

    /// Whether an interface unpacks there. One for GRE takes packets with a
    /// checksum only if it was made with `icsum` (`ip_tunnel_rcv` in
    /// `net/ipv4/ip_tunnel.c`), which that of the module is not.
    pub(super) fn is(self, interface: &Interface) -> bool {
        let [kind, _, own] = self.names();
        let right = interface.kind.as_deref() == Some(kind);
        let checksum = matches!(self.tunnel, Tunnel::Gre { checksum: true });
        interface.up && right && !(checksum && interface.name == own)
    }

    /// What it says of an interface that is its end.
    pub(super) fn found(self, interface: &str) -> String {
        match self.tunnel {
            _ if self.asks_for_a_mode() => format!(
                "{interface} is up, and unpacks IPv4 in its modes any and ipip6: ip -d link show \
                 {interface}"
            ),
            Tunnel::Gre { checksum: true } => format!(
                "{interface} is up, and unpacks what has a checksum if it was made with icsum: \
                 ip -d link show {interface}"
            ),
            Tunnel::Ipip | Tunnel::Gue { .. } | Tunnel::Gre { checksum: false } => {
                format!("{interface} unpacks")
            }
        }
    }

    /// What makes one, at this address of the real server's; `filtered` says
    /// whether what is unpacked on a new interface would be dropped.
    pub(super) fn fix(self, own: Option<IpAddr>, filtered: bool) -> String {
        let [kind, module, interface] = self.names();
        let up = match self.tunnel {
            Tunnel::Gre { checksum: true } => {
                let own = own.map_or("ADDRESS".to_owned(), |own| own.to_string());
                format!(
                    "ip link add lvs-{kind} type {kind} local {own} remote any icsum && \
                     ip link set lvs-{kind} up"
                )
            }
            _ if self.asks_for_a_mode() => {
                format!("ip -6 tunnel change {interface} mode any && ip link set {interface} up")
            }
            Tunnel::Ipip | Tunnel::Gue { .. } | Tunnel::Gre { checksum: false } => {
                format!("ip link set {interface} up")
            }
        };
        let name = match self.tunnel {
            Tunnel::Gre { checksum: true } => format!("lvs-{kind}"),
            Tunnel::Ipip | Tunnel::Gue { .. } | Tunnel::Gre { checksum: false } => {
                interface.to_owned()
            }
        };
        let unfiltered = if filtered {
            format!(" && {}", unfilter(&name))
        } else {
            String::new()
        };
        let fix = format!("modprobe {module} && {up}{unfiltered}");
        match (self.tunnel, self.outer) {
            (Tunnel::Gue { port, .. }, Family::Ipv4) => {
                format!("{fix} && modprobe fou && ip fou add port {port} gue")
            }
            (Tunnel::Gue { port, .. }, Family::Ipv6) => {
                format!("{fix} && modprobe -a fou fou6 && ip -6 fou add port {port} gue")
            }
            (Tunnel::Ipip | Tunnel::Gre { .. }, _) => fix,
        }
    }

    /// `ip6tnl0` takes IPv6 alone until it is told otherwise
    /// (`ip6_fb_tnl_dev_init` in `net/ipv6/ip6_tunnel.c`).
    const fn asks_for_a_mode(self) -> bool {
        matches!(
            (self.tunnel, self.inner, self.outer),
            (
                Tunnel::Ipip | Tunnel::Gue { .. },
                Family::Ipv4,
                Family::Ipv6
            )
        )
    }
}

/// What lets in all that an interface unpacks.
pub(super) fn unfilter(interface: &str) -> String {
    let dotted = interface.replace('.', "/");
    format!("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{dotted}.rp_filter=0")
}
