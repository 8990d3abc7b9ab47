//! The kinds that speak to the real server, but for HTTP.

use std::net::SocketAddr;

use super::super::declaration::{GRPC, HAPROXY_AGENT, Key, PING, TCP, TLS, TLS_KEYS, UDP};
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
use super::super::scalar::Value;
use super::{
    CheckKind, GrpcCheck, HaproxyAgentCheck, StreamCheck, UdpCheck, own_port, tls as tls_keys,
};

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

pub(super) fn udp(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    let fields = Fields::section(Some(entry), &UDP, problems)?;
    let port = own_port(&fields, vip, problems);
    let send = fields.maybe("send", |value| value.bytes(problems));
    let expect = fields.maybe("expect", |value| value.pattern(problems));
    Ok(CheckKind::Udp(UdpCheck {
        port: port?,
        send: send?.unwrap_or_default(),
        expect: expect?,
    }))
}

pub(super) fn ping(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    Fields::section(Some(entry), &PING, problems)?;
    Ok(CheckKind::Ping)
}

pub(super) fn grpc(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    let fields = Fields::section(Some(entry), &GRPC, problems)?;
    let port = own_port(&fields, vip, problems);
    let service = fields.maybe("service", |value| {
        let text = value.text("the name of a service", "put it in quotes", problems)?;
        Ok(text.to_owned())
    });
    let encrypted = fields.truth("tls", problems);
    let settings = tls_keys::settings(&fields, None, problems);
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
    Ok(CheckKind::Grpc(GrpcCheck {
        port: port?,
        service: service?.unwrap_or_default(),
        tls: encrypted?.then_some(settings?),
    }))
}

pub(super) fn haproxy_agent(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    let fields = Fields::section(Some(entry), &HAPROXY_AGENT, problems)?;
    let port = fields.integer("port", problems);
    let send = fields.maybe("send", |value| value.bytes(problems));
    Ok(CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port: port?,
        send: send?.unwrap_or_default(),
    }))
}

impl Value<'_> {
    /// A list of texts, or a single one.
    pub(super) fn texts(self, problems: &mut Problems) -> Parsed<Vec<String>> {
        let hint = "write a list of texts, like `[\"192.0.2.1\", \"192.0.2.2\"]`";
        let Some(nodes) = self.node.one_or_many(|node| node.text().is_some()) else {
            return Err(self.wrong("a list of texts", hint, problems));
        };
        let texts: Vec<_> = nodes
            .iter()
            .map(|node| {
                let value = Value { node, ..self };
                let text = value.text("a list of texts", "put each in quotes", problems)?;
                Ok(text.to_owned())
            })
            .collect();
        texts.into_iter().collect()
    }
}
