//! The check `haproxy_agent`: its settings, and the reading of its mapping.

use std::net::SocketAddr;

use super::super::declaration::HAPROXY_AGENT;
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};

/// A check by HAProxy's agent protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HaproxyAgentCheck {
    /// The port on the real server.
    pub port: u16,
    /// What is sent first; may be empty.
    pub send: Vec<u8>,
}

pub(super) fn haproxy_agent(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<HaproxyAgentCheck> {
    let fields = Fields::section(Some(entry), &HAPROXY_AGENT, problems)?;
    let port = fields.integer("port", problems);
    let send = fields.maybe("send", |value| value.bytes(problems));
    Ok(HaproxyAgentCheck {
        port: port?,
        send: send?.unwrap_or_default(),
    })
}
