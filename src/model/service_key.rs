//! What identifies virtual services and real servers in the kernel.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

use super::{Family, ParseError, Protocol};

/// What the kernel tells virtual services apart by.
///
/// Written `tcp 192.168.11.200:80` or `fwmark 10 ipv4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// VIP, port and protocol.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// VIP and port; port 0 is every port.
        address: SocketAddr,
    },
    /// A firewall mark, which the kernel keeps one of for each family.
    Fwmark {
        /// The mark that the packets carry.
        mark: NonZeroU32,
        /// The family of those packets.
        family: Family,
    },
}

/// What the kernel knows a real server of a virtual service by, also its sorry server.
pub(crate) type MemberKey = (ServiceKey, RealServerKey);

impl ServiceKey {
    /// The family of the packets that the service takes.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => address.ip().into(),
            Self::Fwmark { family, .. } => *family,
        }
    }

    /// VIP and port, where the service is named by them; port 0 is every port.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address { address, .. } => Some(*address),
            Self::Fwmark { .. } => None,
        }
    }

    /// The VIP, where the service is named by one.
    pub fn vip(&self) -> Option<IpAddr> {
        self.address().map(|address| address.ip())
    }

    /// The port; 0 for every port, and for a firewall mark, which has none.
    pub(crate) fn port(&self) -> u16 {
        self.address().map_or(0, |address| address.port())
    }

    /// The command, see ipvsadm(8), that removes the service.
    pub fn removal(&self) -> String {
        match self {
            Self::Address { protocol, address } => {
                let option = match protocol {
                    Protocol::Tcp => "-t",
                    Protocol::Udp => "-u",
                    Protocol::Sctp => "--sctp-service",
                };
                format!("ipvsadm -D {option} {address}")
            }
            Self::Fwmark { mark, family } => {
                let option = match family {
                    Family::Ipv4 => "",
                    Family::Ipv6 => " -6",
                };
                format!("ipvsadm -D -f {mark}{option}")
            }
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol} {address}"),
            Self::Fwmark { mark, family } => write!(f, "fwmark {mark} {family}"),
        }
    }
}

impl FromStr for ServiceKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(text, "a virtual service such as `tcp 192.168.11.200:80`");
        let (kind, rest) = text.split_once(' ').ok_or_else(error)?;
        if kind == "fwmark" {
            let (mark, family) = rest.split_once(' ').ok_or_else(error)?;
            let mark = mark.parse().map_err(|_| error())?;
            let family = family.parse().map_err(|_| error())?;
            return Ok(Self::Fwmark { mark, family });
        }
        let protocol = kind.parse().map_err(|_| error())?;
        let address = rest.parse().map_err(|_| error())?;
        Ok(Self::Address { protocol, address })
    }
}

/// What the kernel tells the real servers of one virtual service apart by:
/// RIP and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerKey(pub SocketAddr);

impl RealServerKey {
    /// The first in order.
    pub(crate) const FIRST: Self = Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
}

impl fmt::Display for RealServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RealServerKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse()
            .map(Self)
            .map_err(|_| ParseError::new(text, "a real server such as `192.168.11.21:80`"))
    }
}
