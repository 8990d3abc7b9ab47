use std::fmt;
use std::str::FromStr;

use super::ParseError;

/// How the director hands a packet to a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// VS/NAT: addresses are rewritten, answers pass the director.
    Masquerade,
    /// The packet is delivered on the director itself.
    Local,
    /// VS/TUN: the packet is encapsulated, the real server answers the client.
    Tunnel,
    /// VS/DR: only the frame's destination changes, the real server answers the client.
    Direct,
}

impl Forwarding {
    /// Whether a real server may listen on another port than the service:
    /// only masquerading rewrites the port.
    pub const fn translates_ports(self) -> bool {
        matches!(self, Self::Masquerade)
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Masquerade => "masquerade",
            Self::Local => "local",
            Self::Tunnel => "tunnel",
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
            "tunnel" => Ok(Self::Tunnel),
            "direct" => Ok(Self::Direct),
            _ => Err(ParseError::new(
                text,
                "a forwarding method: direct, masquerade or tunnel",
            )),
        }
    }
}
