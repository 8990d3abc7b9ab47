//! The checks `tcp` and `tls`: their settings, and the reading of their mappings.

use std::net::SocketAddr;

use super::super::declaration::{TCP, TLS};
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
use super::{CheckKind, Pattern, TlsSettings, own_port, tls as tls_keys};

/// A check by a connection over TCP, with or without TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamCheck {
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// For `tls`.
    pub tls: Option<TlsSettings>,
    /// What is sent and awaited, one after the other.
    pub steps: Vec<Step>,
}

/// A step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// These bytes are sent.
    Send(Vec<u8>),
    /// This must come, after whatever else.
    Expect(Pattern),
}

pub(super) fn tcp(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    let fields = Fields::section(Some(entry), &TCP, problems)?;
    let port = own_port(&fields, vip, problems);
    let steps = fields.maybe("steps", |value| value.steps(problems));
    Ok(CheckKind::Stream(StreamCheck {
        port: port?,
        tls: None,
        steps: steps?.unwrap_or_default(),
    }))
}

pub(super) fn tls(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    let fields = Fields::section(Some(entry), &TLS, problems)?;
    let port = own_port(&fields, vip, problems);
    let steps = fields.maybe("steps", |value| value.steps(problems));
    let tls = tls_keys::settings(&fields, None, problems);
    Ok(CheckKind::Stream(StreamCheck {
        port: port?,
        tls: Some(tls?),
        steps: steps?.unwrap_or_default(),
    }))
}
