//! The time-outs of IPVS.

use std::fmt;
use std::str::FromStr;

use super::ParseError;

/// One of the three times after which IPVS forgets a connection that nothing
/// is sent over, in whole seconds; `ipvsadm --set` knows them, too.
///
/// The time-outs hold for all services of a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeout {
    /// An established TCP connection.
    Tcp,
    /// A TCP connection after a FIN.
    TcpFin,
    /// A UDP flow.
    Udp,
}

impl Timeout {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::TcpFin, Self::Udp];
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::TcpFin => "tcpfin",
            Self::Udp => "udp",
        })
    }
}

impl FromStr for Timeout {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "tcpfin" => Ok(Self::TcpFin),
            "udp" => Ok(Self::Udp),
            _ => Err(ParseError::new(text, "a time-out: tcp, tcpfin or udp")),
        }
    }
}
