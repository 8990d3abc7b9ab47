//! What a host has: interfaces, addresses, listening sockets and routing rules.

use std::net::IpAddr;

use super::{Family, Protocol};

/// One interface of a host, as rtnetlink(7) shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the kernel's, and any of them go together"
)]
pub struct Interface {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its alternative names (ip-link(8), `altname`).
    pub other_names: Vec<String>,
    /// Whether it is set up (`IFF_UP`).
    pub up: bool,
    /// Whether it is the host's own loop (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// Whether it knows no ARP (`IFF_NOARP`), as tunnels and `dummy` do not.
    pub no_arp: bool,
    /// Whether it is a port of a bridge or bond, which takes its packets. A
    /// member of a VRF keeps its own.
    pub enslaved: bool,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// The driver's kind (`IFLA_INFO_KIND`), such as `ipip`; none of hardware.
    pub kind: Option<String>,
}

impl Interface {
    /// Whether it is asked who has an address, by ARP or by IPv6's neighbour
    /// solicitation: requests from clients come in on such.
    pub fn is_asked(&self) -> bool {
        self.up && !self.loopback && !self.no_arp && !self.enslaved
    }
}

/// One address of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAddress {
    /// The interface that it is on.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// How many of its bits name the network: 0 to 32, or to 128.
    pub prefix_length: u8,
    /// Whether its scope is `host` (rtnetlink(7)), which `arp_ignore` 3 looks at.
    pub host_scope: bool,
}

impl HostAddress {
    /// Whether the network of this address contains another one.
    pub fn contains(&self, other: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let host = 128 - u32::from(self.prefix_length);
        let network = |address| bits(address).checked_shr(host).unwrap_or(0);
        Family::from(self.address) == Family::from(other) && network(self.address) == network(other)
    }
}

/// A socket on which a host waits for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its transport protocol.
    pub protocol: Protocol,
    /// What it is bound to; the unspecified address stands for all.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whether one of IPv6 leaves IPv4 alone (`IPV6_V6ONLY` of ipv6(7)).
    pub v6_only: bool,
    /// The number of the interface that it is bound to (`SO_BINDTODEVICE`).
    pub interface: Option<u32>,
}

impl Listener {
    /// Whether it is of this port; port 0 is every port.
    pub(crate) const fn is_of_port(&self, port: u16) -> bool {
        port == 0 || self.port == port
    }

    /// Whether packets to this address reach it, if they reach the host.
    pub fn takes(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(bound), IpAddr::V4(_)) if bound.is_unspecified() => true,
            (IpAddr::V6(bound), IpAddr::V6(_)) if bound.is_unspecified() => true,
            (IpAddr::V6(bound), IpAddr::V4(_)) if bound.is_unspecified() => !self.v6_only,
            (bound, address) => bound.to_canonical() == address,
        }
    }
}

/// A rule of routing that looks at the firewall mark (ip-rule(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkRule {
    /// The family of the packets.
    pub family: Family,
    /// Its place: the lower, the earlier.
    pub priority: u32,
    /// What the marks of its packets are,
    pub mark: u32,
    /// in the bits that are set here.
    pub mask: u32,
    /// The routing table that it leads to; 0 if it leads to none.
    pub table: u32,
}

impl MarkRule {
    /// Whether it takes packets of this mark.
    pub const fn takes(&self, mark: u32) -> bool {
        mark & self.mask == self.mark & self.mask
    }
}
