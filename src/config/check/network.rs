//! The kinds that speak to the real server, but for HTTP.

use std::net::IpAddr;

use super::super::fields::Fields;
use super::super::node::{Content, Entry};
use super::super::problem::{Problems, Read};
use super::super::scalar::Value;
use super::{
    CheckKind, GrpcCheck, HaproxyAgentCheck, StreamCheck, UdpCheck, own_port, tls as tls_keys,
};

pub(super) fn tcp(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let what = "a TCP check";
    let fields = Fields::section(Some(entry), what, &["port", "steps"], problems)?;
    let port = own_port(&fields, what, vip, problems);
    let steps = fields.or_default("steps", Vec::new(), |value| value.steps(problems));
    Ok(CheckKind::Stream(StreamCheck {
        port: port?,
        tls: None,
        steps: steps?,
    }))
}

pub(super) fn tls(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let what = "a TLS check";
    let keys = [["port", "steps"].as_slice(), &tls_keys::KEYS].concat();
    let fields = Fields::section(Some(entry), what, &keys, problems)?;
    let port = own_port(&fields, what, vip, problems);
    let steps = fields.or_default("steps", Vec::new(), |value| value.steps(problems));
    let tls = tls_keys::settings(&fields, None, problems);
    Ok(CheckKind::Stream(StreamCheck {
        port: port?,
        tls: Some(tls?),
        steps: steps?,
    }))
}

pub(super) fn udp(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let what = "a UDP check";
    let fields = Fields::section(Some(entry), what, &["port", "send", "expect"], problems)?;
    let port = own_port(&fields, what, vip, problems);
    let send = fields.or_default("send", Vec::new(), |value| value.bytes(problems));
    let expect = fields.or_default("expect", None, |value| value.pattern(problems).map(Some));
    Ok(CheckKind::Udp(UdpCheck {
        port: port?,
        send: send?,
        expect: expect?,
    }))
}

pub(super) fn ping(entry: &Entry, _: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    Fields::section(Some(entry), "a ping", &[], problems)?;
    Ok(CheckKind::Ping)
}

pub(super) fn grpc(entry: &Entry, vip: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let what = "a gRPC check";
    let keys = [["port", "service", "tls"].as_slice(), &tls_keys::KEYS].concat();
    let fields = Fields::section(Some(entry), what, &keys, problems)?;
    let port = own_port(&fields, what, vip, problems);
    let service = fields.or_default("service", String::new(), |value| {
        let text = value.text("the name of a service", "put it in quotes", problems)?;
        Ok(text.to_owned())
    });
    let encrypted = fields.or_default("tls", false, |value| value.truth(problems));
    let settings = tls_keys::settings(&fields, None, problems);
    if encrypted == Ok(false) {
        for key in tls_keys::KEYS {
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
        service: service?,
        tls: encrypted?.then_some(settings?),
    }))
}

pub(super) fn haproxy_agent(
    entry: &Entry,
    _: Option<IpAddr>,
    problems: &mut Problems,
) -> Read<CheckKind> {
    let what = "a check by HAProxy's agent";
    let fields = Fields::section(Some(entry), what, &["port", "send"], problems)?;
    let hint = "add the port that the agent listens on, like `port: 9999`";
    let port = fields
        .required("port", what, hint, problems)
        .and_then(|entry| Value::of(entry).integer(1..=u16::MAX, "9999", problems));
    let send = fields.or_default("send", Vec::new(), |value| value.bytes(problems));
    Ok(CheckKind::HaproxyAgent(HaproxyAgentCheck {
        port: port?,
        send: send?,
    }))
}

impl Value<'_> {
    /// A list of texts, or a single one.
    pub(super) fn texts(self, problems: &mut Problems) -> Read<Vec<String>> {
        let hint = "write a list of texts, like `[\"192.0.2.1\", \"192.0.2.2\"]`";
        let nodes = match self.node.content() {
            Content::Sequence(nodes) => nodes.as_slice(),
            Content::Text(_) => std::slice::from_ref(self.node),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Mapping(_) => {
                return Err(self.wrong("a list of texts", hint, problems));
            }
        };
        let texts: Vec<_> = nodes
            .iter()
            .map(|node| {
                let value = Value {
                    name: self.name,
                    node,
                };
                let text = value.text("a list of texts", "put each in quotes", problems)?;
                Ok(text.to_owned())
            })
            .collect();
        texts.into_iter().collect()
    }
}
