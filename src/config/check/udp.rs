//! The check `udp`: its settings, and the reading of its mapping.

use std::net::SocketAddr;

use super::super::declaration::UDP;
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
use super::{Pattern, own_port};

/// A check by a datagram.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UdpCheck {
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// The datagram, which may be empty.
    pub send: Vec<u8>,
    /// What the answer must have; `None` where none is needed.
    pub expect: Option<Pattern>,
}

pub(super) fn udp(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<UdpCheck> {
    let fields = Fields::section(Some(entry), &UDP, problems)?;
    let port = own_port(&fields, vip, problems);
    let send = fields.maybe("send", |value| value.bytes(problems));
    let expect = fields.maybe("expect", |value| value.pattern(problems));
    Ok(UdpCheck {
        port: port?,
        send: send?.unwrap_or_default(),
        expect: expect?,
    })
}
