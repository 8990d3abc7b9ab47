//! The entries of the IPVS table.

use std::fmt;

use super::{Forwarding, Scheduler, Weight};

/// The properties of a virtual service that can be changed while it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// How the next real server is chosen.
    pub scheduler: Scheduler,
    /// Flags of the service and of its scheduler.
    pub flags: ServiceFlags,
    /// Whether a client is kept on its real server, and for how long.
    pub persistence: Option<Persistence>,
}

/// `IP_VS_SVC_F_*` of `linux/ip_vs.h`, without those that [`Service`] or the
/// kernel keeps by other means (`PERSISTENT`, `HASHED`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceFlags(u32);

impl ServiceFlags {
    /// `ONEPACKET` and the scheduler's three own flags.
    pub const MASK: u32 = 0x4 | 0x8 | 0x10 | 0x20;

    /// Every datagram is scheduled anew (`ONEPACKET`).
    pub const ONE_PACKET: Self = Self(0x4);
    /// The first of the scheduler's own (`SCHED1`). To `sh` and `mh`: a real
    /// server that cannot take a connection gives it to another.
    pub const FALLBACK: Self = Self(0x8);
    /// The second of the scheduler's own (`SCHED2`). To `sh` and `mh`: the
    /// client's port counts, too.
    pub const PORT: Self = Self(0x10);

    /// Keeps what [`ServiceFlags::MASK`] covers and drops the rest.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::MASK)
    }

    /// The flags as the kernel writes them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of those are set.
    pub const fn contains(self, those: Self) -> bool {
        self.0 & those.0 == those.0
    }

    /// These and those.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for ServiceFlags {
    /// `one-packet`, and the scheduler's own as ipvsadm(8) numbers them:
    /// `one-packet,flag-1,flag-2`. Nothing at all for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (0x4, "one-packet"),
            (0x8, "flag-1"),
            (0x10, "flag-2"),
            (0x20, "flag-3"),
        ];
        let set = names.into_iter().filter(|(bit, _)| self.0 & bit != 0);
        for (index, (_, name)) in set.enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A client's connections all go to one real server while it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    /// How long a client is remembered after its last connection, in seconds.
    pub timeout_seconds: u32,
    /// Which clients count as one: for IPv4 the netmask as a number (all ones
    /// is a single host), for IPv6 the prefix length, 1 to 128.
    pub netmask: u32,
    /// The engine that tells clients apart (`sip`), where not by address.
    pub engine: Option<String>,
}

/// A real server as one virtual service knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its share of new connections.
    pub weight: Weight,
    /// Connections above which it gets no new ones; 0 is no limit.
    pub upper_threshold: u32,
    /// Connections below which it gets new ones again; 0 is three quarters of the upper one.
    pub lower_threshold: u32,
}

/// Connections that the kernel holds for one real server of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// Established.
    pub active: u32,
    /// In any other state.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
}

/// What the kernel has counted since the service or destination was made.
///
/// With direct routing and tunnels, answers do not pass the director, so the
/// outgoing counters stay 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub incoming_packets: u64,
    /// Packets to clients.
    pub outgoing_packets: u64,
    /// Bytes from clients.
    pub incoming_bytes: u64,
    /// Bytes to clients.
    pub outgoing_bytes: u64,
}
