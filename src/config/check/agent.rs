//! The check `agent`: its settings, and the reading of its mapping.

use std::net::SocketAddr;

use super::super::declaration::AGENT;
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
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
) -> Parsed<AgentCheck> {
    let fields = Fields::section(Some(entry), &AGENT, problems)?;
    let port = fields.integer("port", problems);
    Ok(AgentCheck {
        port: port?,
        service: None,
    })
}
