//! The check `grpc`: its settings, and the reading of its mapping.

use std::net::SocketAddr;

use super::super::declaration::{GRPC, Key, SERVICE_NAME, TLS_KEYS};
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
use super::{TlsSettings, own_port, tls};

/// A check by `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrpcCheck {
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// The service that is asked for; empty for the server as a whole.
    pub service: String,
    /// `None` for HTTP/2 without TLS.
    pub tls: Option<TlsSettings>,
}

pub(super) fn grpc(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<GrpcCheck> {
    let fields = Fields::section(Some(entry), &GRPC, problems)?;
    let port = own_port(&fields, vip, problems);
    let service = fields.maybe("service", |value| {
        let text = value.text(SERVICE_NAME, |_| true, problems)?;
        Ok(text.to_owned())
    });
    let encrypted = fields.truth("tls", problems);
    let settings = tls::settings(&fields, None, problems);
    if encrypted == Ok(false) {
        for Key { name: key, .. } in &TLS_KEYS {
            if let Some(entry) = fields.optional(key)? {
                return Err(problems.add(
                    entry.key.location,
                    format!("`{key}` goes with `tls: true` only"),
                    format!("add `tls: true`, or remove `{key}`"),
                ));
            }
        }
    }
    Ok(GrpcCheck {
        port: port?,
        service: service?.unwrap_or_default(),
        tls: encrypted?.then_some(settings?),
    })
}
