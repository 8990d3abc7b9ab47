//! The ways in which a director forwards packets.

use std::fmt;
use std::str::FromStr;

use super::{ParseError, Tunnel};

/// How the director hands a packet to a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// VS/NAT: addresses are rewritten, answers pass the director.
    Masquerade,
    /// The packet is delivered on the director itself.
    Local,
    /// VS/TUN: the packet is encapsulated, the real server answers the client.
    Tunnel(Tunnel),
    /// VS/DR: only the frame's destination changes, the real server answers the client.
    Direct,
}

impl Forwarding {
    /// Whether a real server may listen on another port than the service:
    /// only masquerading rewrites the port.
    pub const fn translates_ports(self) -> bool {
        matches!(self, Self::Masquerade)
    }

    /// Whether a real server may be of another family than its service: only
    /// a tunnel's outer packet can be.
    pub const fn crosses_families(self) -> bool {
        matches!(self, Self::Tunnel(_))
    }
}

impl fmt::Display for Forwarding {
    /// The method alone; what a tunnel is made of is [`Tunnel`]'s to say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Masquerade => "masquerade",
            Self::Local => "local",
            Self::Tunnel(_) => "tunnel",
            Self::Direct => "direct",
        })
    }
}

impl FromStr for Forwarding {
    type Err = ParseError;

    /// The methods that can be configured; `local` is the kernel's to choose.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "masquerade" => Ok(Self::Masquerade),
            "tunnel" => Ok(Self::Tunnel(Tunnel::Ipip)),
            "direct" => Ok(Self::Direct),
            _ => Err(ParseError::new(
                text,
                "a forwarding method: direct, masquerade or tunnel",
            )),
        }
    }
}
