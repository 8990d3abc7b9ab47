//! A virtual service as a file of another program has it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::check::Check;
use super::note::{Notes, SourceLocation};
use crate::model::{Family, Forwarding, Protocol};

/// What the kernel knows a service by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Addresses {
        protocol: Protocol,
        /// Port 0 is every port.
        addresses: Vec<SocketAddr>,
    },
    Mark {
        mark: u32,
        family: Family,
    },
}

impl Key {
    /// That of the VIPs, which are of one family.
    pub(super) fn family(&self) -> Family {
        match self {
            Self::Addresses { addresses, .. } => addresses
                .first()
                .map_or(Family::Ipv4, |first| first.ip().into()),
            Self::Mark { family, .. } => *family,
        }
    }

    /// `None` for a mark.
    pub(super) const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Addresses { protocol, .. } => Some(*protocol),
            Self::Mark { .. } => None,
        }
    }

    /// The protocol of a check that the service has a port for: `None` for a mark, and for a
    /// service of every port.
    pub(super) fn checked_protocol(&self) -> Option<Protocol> {
        let Self::Addresses {
            protocol,
            addresses,
        } = self
        else {
            return None;
        };
        let has_port = addresses.iter().all(|address| address.port() != 0);
        has_port.then_some(*protocol)
    }

    /// The port of all its VIPs, if they have one in common.
    pub(super) fn port(&self) -> Option<u16> {
        let Self::Addresses { addresses, .. } = self else {
            return None;
        };
        let first = addresses.first()?.port();
        let is_common = addresses.iter().all(|address| address.port() == first);
        (is_common && first != 0).then_some(first)
    }
}

/// Which clients count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Netmask {
    Mask(Ipv4Addr),
    PrefixLength(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Persistence {
    pub(super) seconds: u64,
    pub(super) netmask: Option<Netmask>,
    pub(super) engine: Option<String>,
}

/// A virtual service.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) location: SourceLocation,
    /// What the file calls it.
    pub(super) label: Option<String>,
    pub(super) key: Key,
    pub(super) scheduler: String,
    /// The flag `fallback`.
    pub(super) fallback: bool,
    /// The flag `port`.
    pub(super) by_port: bool,
    pub(super) one_packet: bool,
    pub(super) persistence: Option<Persistence>,
    pub(super) quorum: u32,
    pub(super) hysteresis: u32,
    pub(super) on_failure: Option<&'static str>,
    pub(super) sorry_server: Option<SorryServer>,
    pub(super) real_servers: Vec<RealServer>,
}

impl Draft {
    pub(super) fn new(location: SourceLocation, key: Key) -> Self {
        Self {
            location,
            label: None,
            key,
            scheduler: "wlc".to_owned(),
            fallback: false,
            by_port: false,
            one_packet: false,
            persistence: None,
            quorum: 1,
            hysteresis: 0,
            on_failure: None,
            sorry_server: None,
            real_servers: Vec::new(),
        }
    }
}

/// A real server.
#[derive(Debug, Clone)]
pub(super) struct RealServer {
    pub(super) location: SourceLocation,
    pub(super) address: IpAddr,
    /// `None` for that of the service.
    pub(super) port: Option<u16>,
    pub(super) forwarding: Forwarding,
    pub(super) weight: u32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    pub(super) check: DraftCheck,
}

/// What decides on a real server in the other program.
#[derive(Debug, Clone)]
pub(super) enum DraftCheck {
    By(Box<Check>),
    /// Nothing asks the real server, which always serves.
    Never,
    /// The other program has no checks, or one without an equal here.
    Unknown,
}

/// The server that serves when no other does.
#[derive(Debug, Clone)]
pub(super) struct SorryServer {
    pub(super) location: SourceLocation,
    pub(super) address: IpAddr,
    /// `None` for that of the service.
    pub(super) port: Option<u16>,
    /// `None` for that of the service.
    pub(super) forwarding: Option<Forwarding>,
}

/// The highest number that our configuration takes.
const HIGHEST: u32 = i32::MAX.cast_unsigned();

/// A number as it is written, and with a note [`HIGHEST`] where it is higher; `None` if it
/// is no number.
pub(super) fn number(text: &str, location: SourceLocation, notes: &mut Notes) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return None;
    }
    let number = text.parse().ok().filter(|number| *number <= HIGHEST);
    if number.is_none() {
        let text = format!("the number {text} is above the highest one here: {HIGHEST} is taken");
        notes.add(location, text);
    }
    Some(number.unwrap_or(HIGHEST))
}
