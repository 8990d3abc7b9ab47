//! The kinds of checks, and what follows from the kind of a check.

use super::{
    AgentCheck, DnsCheck, ExecCheck, FileCheck, GrpcCheck, HaproxyAgentCheck, HttpCheck, PORT,
    StreamCheck, UdpCheck,
};
use crate::model::ServiceKey;

/// The kinds of checks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckKind {
    /// `none`: nothing is asked, and the real server is always up.
    None,
    /// `http` and `https`: one HTTP/1.1 request.
    Http(HttpCheck),
    /// `tcp` and `tls`: a connection, and a conversation over it.
    Stream(StreamCheck),
    /// A datagram and its answer.
    Udp(UdpCheck),
    /// A question to a DNS server.
    Dns(DnsCheck),
    /// An ICMP echo.
    Ping,
    /// gRPC's standard health service.
    Grpc(GrpcCheck),
    /// A program on this host.
    Exec(ExecCheck),
    /// A file on this host.
    File(FileCheck),
    /// The real server reports its own share of the weight, as to HAProxy's `agent-check`.
    HaproxyAgent(HaproxyAgentCheck),
    /// The real server's own lvs-agent reports whether the real server can serve.
    Agent(AgentCheck),
    /// Passes when all of these pass; none of them is a combination itself.
    All(Vec<CheckKind>),
    /// Passes when one of these passes; none of them is a combination itself.
    Any(Vec<CheckKind>),
}

impl CheckKind {
    /// The checks that this one combines; none of a check of one kind.
    pub(crate) fn parts(&self) -> &[Self] {
        if let Self::All(parts) | Self::Any(parts) = self {
            parts
        } else {
            &[]
        }
    }

    /// The checks that ask one thing: the combined ones, or this one alone.
    pub(crate) fn single_checks(&self) -> &[Self] {
        if let Self::All(parts) | Self::Any(parts) = self {
            parts
        } else {
            std::slice::from_ref(self)
        }
    }

    /// Whether anything is asked. Without that, there is no probe and no verdict.
    pub fn asks(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether the check runs a program by another user than the agent's own.
    pub(crate) fn runs_by_user(&self) -> bool {
        matches!(self, Self::Exec(check) if check.user.is_some())
    }

    /// The port that a probe's target has, for a real server with the port
    /// `own`: the only one that the check speaks to, or 0 where it does not
    /// matter. Equal checks of one host are then equal targets.
    pub fn target_port(&self, own: u16) -> u16 {
        match self.port() {
            Some(port) => port,
            None if self.uses_own_port() => own,
            None => 0,
        }
    }

    /// The check that a probe through the VIP makes: one of the kinds whose bytes travel as those
    /// of clients do, alone or as the only such part of `all`.
    pub(crate) fn through_vip(&self) -> Option<&Self> {
        if let Self::Http(_) | Self::Stream(_) = self {
            return Some(self);
        }
        let Self::All(parts) = self else { return None };
        let mut through = parts.iter().filter_map(Self::through_vip);
        through.next().filter(|_| through.next().is_none())
    }

    /// The port of the idle connection that `watch` holds, for a real server with the port `own`;
    /// `None` for a check that does not ask over one TCP connection.
    pub(crate) fn watched_port(&self, own: u16) -> Option<u16> {
        let asked = if matches!(self, Self::Grpc(_)) {
            self
        } else {
            self.through_vip()?
        };
        Some(asked.target_port(own))
    }

    /// The port at which the check asks what clients ask for, of a real server with the port
    /// `own`; 0 where there is none. An agent reports on the real server's own port.
    pub(crate) fn clients_port(&self, own: u16) -> u16 {
        let asked = self.through_vip().unwrap_or(self);
        if matches!(asked, Self::Agent(_)) {
            own
        } else {
            asked.target_port(own)
        }
    }

    /// Whether an answer, or its absence, shows if the real server is there
    /// at all, apart from what runs on it.
    pub(crate) fn connects(&self) -> bool {
        match self {
            Self::Http(_)
            | Self::Stream(_)
            | Self::Grpc(_)
            | Self::Agent(_)
            | Self::HaproxyAgent(_)
            | Self::Ping => true,
            Self::None | Self::Udp(_) | Self::Dns(_) | Self::Exec(_) | Self::File(_) => false,
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::connects),
        }
    }

    /// Whether a datagram is sent whose answer may be missing.
    pub(crate) fn is_of_datagrams(&self) -> bool {
        matches!(self, Self::Udp(_) | Self::Dns(_))
            || self.parts().iter().any(Self::is_of_datagrams)
    }

    /// The port on which the real server's own lvs-agent is asked, if it is.
    pub(crate) fn agent_port(&self) -> Option<u16> {
        if let Self::Agent(check) = self {
            return Some(check.port);
        }
        self.parts().iter().find_map(Self::agent_port)
    }

    /// Lets the real server's own lvs-agent be asked for this service.
    pub(super) fn ask_for(&mut self, service: ServiceKey) {
        if let Self::Agent(check) = self {
            check.service = Some(service);
        } else if let Self::All(parts) | Self::Any(parts) = self {
            for part in parts {
                part.ask_for(service);
            }
        }
    }

    /// The configured port.
    fn port(&self) -> Option<u16> {
        match self {
            Self::Http(check) => check.port,
            Self::Stream(check) => check.port,
            Self::Udp(check) => check.port,
            Self::Grpc(check) => check.port,
            Self::Dns(check) => Some(check.port),
            Self::HaproxyAgent(check) => Some(check.port),
            Self::Agent(check) => Some(check.port),
            Self::None
            | Self::Ping
            | Self::Exec(_)
            | Self::File(_)
            | Self::All(_)
            | Self::Any(_) => None,
        }
    }

    /// The ports at which the check asks what clients could ask for; `None` for the real server's
    /// own.
    pub(crate) fn service_ports(&self) -> Vec<Option<u16>> {
        if let Self::Http(_) | Self::Stream(_) | Self::Udp(_) | Self::Grpc(_) = self {
            return vec![self.port()];
        }
        self.parts().iter().flat_map(Self::service_ports).collect()
    }

    fn uses_own_port(&self) -> bool {
        match self {
            Self::Http(_) | Self::Stream(_) | Self::Udp(_) | Self::Grpc(_) => self.port().is_none(),
            Self::Exec(check) => check.command.iter().any(|word| word.contains(PORT)),
            Self::File(check) => check.path.contains(PORT),
            Self::None | Self::Dns(_) | Self::HaproxyAgent(_) | Self::Agent(_) | Self::Ping => {
                false
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::uses_own_port),
        }
    }
}

#[cfg(test)]
mod tests;
