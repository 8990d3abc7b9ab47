//! A check as our configuration writes it.

use std::net::IpAddr;
use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::note::{Notes, SourceLocation};
use crate::config::{CHECK_TIMEOUTS, Expression, INTERVALS, RUN};
use crate::model::Protocol;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    name: &'static str,
    /// The port that is asked; `None` for a kind that has no key `port`.
    port: Option<u16>,
    keys: Mapping,
    /// Those of `all`.
    parts: Vec<Kind>,
}

impl Kind {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            port: None,
            keys: Mapping::new(),
            parts: Vec::new(),
        }
    }

    /// A check that needs no more than the protocol: `None` is that of a mark.
    pub(super) fn simple(protocol: Option<Protocol>, port: Option<u16>) -> Self {
        match protocol {
            Some(Protocol::Tcp) => Self::new("tcp").at_port(port),
            Some(Protocol::Udp) => Self::new("udp").at_port(port),
            Some(Protocol::Sctp) | None => Self::new("ping"),
        }
    }

    pub(super) fn at_port(self, port: Option<u16>) -> Self {
        Self { port, ..self }
    }

    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.insert(key.into(), value.into());
        self
    }

    /// All of them must pass; `None` if there are none.
    pub(super) fn all(mut parts: Vec<Self>) -> Option<Self> {
        match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(Self {
                parts,
                ..Self::new("all")
            }),
        }
    }

    /// The key and the value of the kind, for a real server with the port `own`.
    fn into_entry(self, own: Option<u16>) -> (Value, Value) {
        if !self.parts.is_empty() {
            let parts = self.parts.into_iter().map(|part| {
                let (name, value) = part.into_entry(own);
                Value::Mapping([(name, value)].into_iter().collect())
            });
            return (self.name.into(), Value::Sequence(parts.collect()));
        }
        let mut keys = self.keys;
        let default = if self.name == "dns" { Some(53) } else { own };
        if let Some(port) = self.port.filter(|port| Some(*port) != default) {
            keys.insert("port".into(), port.into());
        }
        (self.name.into(), keys.into())
    }
}

/// What is asked, how often, and how many answers decide.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    pub(super) kind: Kind,
    pub(super) timing: Timing,
    pub(super) source: Option<IpAddr>,
    pub(super) interface: Option<String>,
}

impl Check {
    pub(super) fn new(kind: Kind, timing: Timing) -> Self {
        Self {
            kind,
            timing,
            source: None,
            interface: None,
        }
    }

    /// The value of `check` for a real server with the port `own`.
    pub(super) fn into_mapping(self, own: Option<u16>) -> Mapping {
        let (name, value) = self.kind.into_entry(own);
        let mut keys = Mapping::new();
        keys.insert(name, value);
        self.timing.write(&mut keys);
        if let Some(source) = self.source {
            keys.insert("source".into(), source.to_string().into());
        }
        if let Some(interface) = self.interface {
            keys.insert("interface".into(), interface.into());
        }
        keys
    }
}

/// When is asked; `None` leaves the defaults of our configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Timing {
    interval: Option<Duration>,
    fast_interval: Option<Duration>,
    timeout: Option<Duration>,
    /// Passes and failures in a row that decide.
    streaks: Option<(u32, u32)>,
}

impl Timing {
    /// One pass brings a real server up, as in the programs that this folder reads.
    pub(super) fn new(
        (interval, fast_interval): (Duration, Option<Duration>),
        timeout: Duration,
        fall: u32,
        location: SourceLocation,
        notes: &mut Notes,
    ) -> Self {
        let millis = |(first, last)| (Duration::from_millis(first), Duration::from_millis(last));
        let (shortest, longest) = millis(INTERVALS);
        let bounds = (shortest, longest);
        let interval = within("the interval of checks", interval, bounds, location, notes);
        let fast = fast_interval.map(|fast| {
            let bounds = (shortest, interval);
            within("the delay before a retry", fast, bounds, location, notes)
        });
        let most = u32::try_from(RUN.1).unwrap_or(u32::MAX);
        if fall > most {
            notes.add(
                location,
                format!(
                    "{fall} failures in a row are more than `fall` takes: \
                     {most} is written"
                ),
            );
        }
        Self {
            interval: Some(interval),
            fast_interval: fast.filter(|fast| *fast != interval),
            timeout: Some(within(
                "the time-out",
                timeout,
                millis(CHECK_TIMEOUTS),
                location,
                notes,
            )),
            streaks: Some((1, fall.clamp(1, most))),
        }
    }

    pub(super) fn write(&self, keys: &mut Mapping) {
        let times = [
            ("interval", self.interval),
            ("fast_interval", self.fast_interval),
            ("timeout", self.timeout),
        ];
        for (key, time) in times {
            if let Some(time) = time {
                keys.insert(key.into(), duration(time).into());
            }
        }
        if let Some((rise, fall)) = self.streaks {
            keys.insert("rise".into(), rise.into());
            keys.insert("fall".into(), fall.into());
        }
    }
}

/// As our configuration writes it.
pub(super) fn duration(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// The time, or the nearest that our configuration takes.
fn within(
    what: &str,
    time: Duration,
    (shortest, longest): (Duration, Duration),
    location: SourceLocation,
    notes: &mut Notes,
) -> Duration {
    // What the kernel and a clock of milliseconds cannot tell apart.
    let time = Duration::from_millis(time.as_millis().try_into().unwrap_or(u64::MAX));
    let taken = time.clamp(shortest, longest);
    if taken != time {
        notes.add(
            location,
            format!(
                "{what} is {} there, and from {} to {} here: {} is written",
                duration(time),
                duration(shortest),
                duration(longest),
                duration(taken)
            ),
        );
    }
    taken
}

/// A regular expression as a pattern of ours; `None`, with a note, if ours are none like it.
pub(super) fn pattern(
    expression: &str,
    location: SourceLocation,
    notes: &mut Notes,
) -> Option<Value> {
    match Expression::new(expression) {
        Ok(ours) if ours.tells_texts_apart() => Some(regex(expression)),
        Ok(_) => {
            notes.add(
                location,
                format!(
                    "the regular expression `{expression}` is left out, and any text passes: \
                     every text has a match of the expression, or none has"
                ),
            );
            None
        }
        Err(error) => {
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            notes.add(
                location,
                format!(
                    "the regular expression `{expression}` is left out, and any text passes: \
                     {}; write it in the syntax of the Rust crate `regex`",
                    reason.trim_start_matches("error: ")
                ),
            );
            None
        }
    }
}

/// A regular expression of ours.
pub(super) fn regex(expression: &str) -> Value {
    Value::Mapping([("regex".into(), expression.into())].into_iter().collect())
}

/// A step of a conversation.
pub(super) fn step(key: &str, value: impl Into<Value>) -> Value {
    Value::Mapping([(key.into(), value.into())].into_iter().collect())
}

#[cfg(test)]
mod tests;
