//! The check `agent`: its settings, and the reading of its mapping.

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
        if let Self::Agent(check) = self {
            return Some(check.port);
        }
        self.parts().iter().find_map(Self::agent_port)
    }

    /// Lets the real server's own lvs-agent be asked for this service.
    fn ask_for(&mut self, service: ServiceKey) {
        if let Self::Agent(check) = self {
            check.service = Some(service);
        } else if let Self::All(parts) | Self::Any(parts) = self {
            for part in parts {
                part.ask_for(service);
            }
        }
    }
}
