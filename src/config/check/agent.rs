//! The check by the real server's own lvs-agent.

use std::net::SocketAddr;

use super::super::declaration::AGENT;
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
use super::{Check, CheckKind};
use crate::model::ServiceKey;

/// A check by the real server's own lvs-agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentCheck {
    /// The port of its HTTP endpoints.
    pub port: u16,
    /// What it is asked for: VIP, port and protocol of the check's service.
    /// `None` only until that service is read.
    pub service: Option<ServiceKey>,
}

pub(super) fn read(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    let fields = Fields::section(Some(entry), &AGENT, problems)?;
    let port = fields.integer("port", problems);
    Ok(CheckKind::Agent(AgentCheck {
        port: port?,
        service: None,
    }))
}

impl Check {
    /// The check as one of this service.
    pub(crate) fn of_service(mut self, service: ServiceKey) -> Self {
        self.kind.ask_for(service);
        self
    }
}

impl CheckKind {
    /// The port on which the real server's own lvs-agent is asked, if it is.
    pub(crate) fn agent_port(&self) -> Option<u16> {
        match self {
            Self::Agent(check) => Some(check.port),
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(Self::agent_port),
            Self::Http(_)
            | Self::Stream(_)
            | Self::Udp(_)
            | Self::Dns(_)
            | Self::Ping
            | Self::Grpc(_)
            | Self::Exec(_)
            | Self::File(_)
            | Self::HaproxyAgent(_) => None,
        }
    }

    /// Lets the real server's own lvs-agent be asked for this service.
    fn ask_for(&mut self, service: ServiceKey) {
        match self {
            Self::Agent(check) => check.service = Some(service),
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.ask_for(service);
                }
            }
            Self::Http(_)
            | Self::Stream(_)
            | Self::Udp(_)
            | Self::Dns(_)
            | Self::Ping
            | Self::Grpc(_)
            | Self::Exec(_)
            | Self::File(_)
            | Self::HaproxyAgent(_) => {}
        }
    }
}
