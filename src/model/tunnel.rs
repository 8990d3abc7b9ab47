//! The encapsulation of tunnels to real servers.

use std::fmt;
use std::num::NonZeroU16;

/// How a packet travels inside another one to a real server (VS/TUN).
///
/// `IP_VS_CONN_F_TUNNEL_TYPE_*` of `linux/ip_vs.h`. Linux has `gue` since 5.3
/// and `gre` since 5.4; before, every tunnel is `ipip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Tunnel {
    /// IP in IP (RFC 2003), also across families.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// The UDP port on which the real server unpacks.
        port: NonZeroU16,
        /// What guards the outer packet.
        checksum: Checksum,
    },
    /// Generic routing encapsulation (RFC 2784).
    Gre {
        /// Whether the outer packet has a checksum.
        checksum: bool,
    },
}

/// What guards the outer packet of a GUE tunnel (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Checksum {
    /// Nothing.
    #[default]
    None,
    /// A UDP checksum.
    Sum,
    /// Remote checksum offload.
    Remote,
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Sum => "sum",
            Self::Remote => "remote",
        })
    }
}

impl fmt::Display for Tunnel {
    /// `ipip`, `gue port 6080 checksum sum`, `gre checksum none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipip => f.write_str("ipip"),
            Self::Gue { port, checksum } => write!(f, "gue port {port} checksum {checksum}"),
            Self::Gre { checksum: true } => f.write_str("gre checksum sum"),
            Self::Gre { checksum: false } => f.write_str("gre checksum none"),
        }
    }
}
