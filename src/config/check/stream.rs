//! The checks `tcp` and `tls`: their settings, and the reading of their mappings.

use std::net::SocketAddr;

use super::super::declaration::{STEP, TCP, TLS};
use super::super::fields::Fields;
use super::super::node::{Content, Entry};
use super::super::problem::{Parsed, Problems};
use super::super::scalar::Value;
use super::{Pattern, TlsSettings, own_port, tls as tls_keys};

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
) -> Parsed<StreamCheck> {
    let fields = Fields::section(Some(entry), &TCP, problems)?;
    let port = own_port(&fields, vip, problems);
    let steps = fields.maybe("steps", |value| value.steps(problems));
    Ok(StreamCheck {
        port: port?,
        tls: None,
        steps: steps?.unwrap_or_default(),
    })
}

pub(super) fn tls(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<StreamCheck> {
    let fields = Fields::section(Some(entry), &TLS, problems)?;
    let port = own_port(&fields, vip, problems);
    let steps = fields.maybe("steps", |value| value.steps(problems));
    let tls = tls_keys::settings(&fields, None, problems);
    Ok(StreamCheck {
        port: port?,
        tls: Some(tls?),
        steps: steps?.unwrap_or_default(),
    })
}

impl Value<'_> {
    /// A list of `{ send: … }` and `{ expect: … }`.
    pub(super) fn steps(self, problems: &mut Problems) -> Parsed<Vec<Step>> {
        let hint = "write a list like `[{ expect: \"220 \" }, { send: \"QUIT\\r\\n\" }]`";
        let Content::Sequence(nodes) = self.node.content() else {
            return Err(self.wrong("a list of steps", hint, problems));
        };
        let mut steps = Vec::with_capacity(nodes.len());
        let mut all = Ok(());
        for node in nodes {
            let step = Fields::read(node, &STEP, problems);
            let step = step.and_then(|fields| {
                match (fields.optional("send")?, fields.optional("expect")?) {
                    (Some(entry), None) => Value::of(entry).bytes(problems).map(Step::Send),
                    (None, Some(entry)) => Value::of(entry)
                        .pattern_of_stream(problems)
                        .map(Step::Expect),
                    (Some(_), Some(entry)) => Err(problems.add(
                        entry.key.location,
                        "a step either sends or expects, and this one does both",
                        "make two steps of it, in the order in which they happen",
                    )),
                    (None, None) => Err(problems.add(node.location, "a step is empty", hint)),
                }
            });
            match step {
                Ok(step) => steps.push(step),
                Err(reported) => all = Err(reported),
            }
        }
        all.map(|()| steps)
    }
}
