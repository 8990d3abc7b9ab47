//! Settings that a virtual server has for its real servers, and these for their checkers.

use std::time::Duration;

use super::super::check::Timing;
use super::super::draft::number;
use super::super::note::{Notes, SourceLocation};
use super::super::render::{Timeouts, timeout};
use super::blocks::Statement;
use crate::model::{Checksum, Forwarding, Tunnel};

/// keepalived's `delay_loop` where none is written.
const DELAY_LOOP: Duration = Duration::from_mins(1);
/// The same of `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is written, at one level.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) delay_loop: Option<Duration>,
    pub(super) delay_before_retry: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) retry: Option<u32>,
    pub(super) virtualhost: Option<String>,
    pub(super) inhibit_on_failure: Option<bool>,
    pub(super) alpha: Option<bool>,
    pub(super) forwarding: Option<Forwarding>,
}

/// What a kind of checker has where nothing is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) retry: u32,
    /// `None` is `delay_loop`.
    pub(super) delay_before_retry: Option<Duration>,
}

impl Settings {
    /// Whether the keyword is one of these.
    pub(super) fn read(&mut self, statement: &Statement, notes: &mut Notes) -> bool {
        match statement.keyword() {
            "delay_loop" => self.delay_loop = timer(statement, notes),
            "delay_before_retry" => self.delay_before_retry = timer(statement, notes),
            "connect_timeout" => self.connect_timeout = timer(statement, notes),
            "retry" | "nb_get_retry" | "nb_sock_retry" => self.retry = integer(statement, notes),
            "virtualhost" => self.virtualhost = Some(statement.argument(0).to_owned()),
            "inhibit_on_failure" => self.inhibit_on_failure = Some(boolean(statement)),
            "alpha" => self.alpha = Some(boolean(statement)),
            "lb_kind" | "lvs_method" => {
                self.forwarding = forwarding(statement.arguments(), statement.location, notes);
            }
            "warmup" => notes.note_unsupported_once(statement.location, "warmup"),
            "smtp_alert" => notes.note_unsupported_once(statement.location, "smtp_alert"),
            "snmp_name" => notes.note_unsupported_once(statement.location, "snmp_name"),
            "log_all_failures" => {
                notes.note_unsupported_once(statement.location, "log_all_failures");
            }
            _ => return false,
        }
        true
    }

    /// These, and those of the level above where nothing is written here.
    pub(super) fn or(self, above: &Self) -> Self {
        Self {
            delay_loop: self.delay_loop.or(above.delay_loop),
            delay_before_retry: self.delay_before_retry.or(above.delay_before_retry),
            connect_timeout: self.connect_timeout.or(above.connect_timeout),
            retry: self.retry.or(above.retry),
            virtualhost: self.virtualhost.or_else(|| above.virtualhost.clone()),
            inhibit_on_failure: self.inhibit_on_failure.or(above.inhibit_on_failure),
            alpha: self.alpha.or(above.alpha),
            forwarding: self.forwarding.or(above.forwarding),
        }
    }

    pub(super) fn interval(&self) -> Duration {
        self.delay_loop.unwrap_or(DELAY_LOOP)
    }

    /// A real server fails when the first attempt and all retries have failed,
    /// and is back with the first success.
    pub(super) fn timing(
        &self,
        defaults: Defaults,
        timeout: Option<Duration>,
        location: SourceLocation,
        notes: &mut Notes,
    ) -> Timing {
        let retry = self.retry.unwrap_or(defaults.retry);
        let delay = self.delay_before_retry.or(defaults.delay_before_retry);
        let delay = delay.filter(|_| retry > 0);
        let timeout = timeout.or(self.connect_timeout).unwrap_or(CONNECT_TIMEOUT);
        let text = "`delay_loop` counts from the end of a check to the next one, and `interval` \
                    here from start to start; `connect_timeout` holds for each step of a check, \
                    and `timeout` here for the whole";
        notes.once("timing", location, text);
        let intervals = (self.interval(), delay);
        Timing::new(intervals, timeout, retry.saturating_add(1), location, notes)
    }
}

/// Seconds, also with a fraction.
pub(super) fn timer(statement: &Statement, notes: &mut Notes) -> Option<Duration> {
    let text = statement.argument(0);
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = text.parse().ok().filter(|_| plain);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if duration.is_none() {
        note_invalid(statement, "number of seconds", notes);
    }
    duration
}

/// A whole number.
pub(super) fn integer(statement: &Statement, notes: &mut Notes) -> Option<u32> {
    let number = number(statement.argument(0), statement.location, notes);
    if number.is_none() {
        note_invalid(statement, "whole number", notes);
    }
    number
}

pub(super) fn note_invalid(statement: &Statement, wanted: &str, notes: &mut Notes) {
    let text = format!(
        "`{} {}` is left out: it is no {wanted}",
        statement.keyword(),
        statement.rest()
    );
    notes.add(statement.location, text);
}

/// A truth value; the keyword alone is true.
pub(super) fn boolean(statement: &Statement) -> bool {
    !matches!(statement.argument(0), "off" | "false" | "no")
}

/// `NAT`, `DR`, or `TUN` and what the tunnel is made of.
pub(super) fn forwarding(
    words: &[String],
    location: SourceLocation,
    notes: &mut Notes,
) -> Option<Forwarding> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let after = |word| {
        let at = words.iter().position(|other| *other == word)?;
        words.get(at + 1).copied()
    };
    let checksum = if words.contains(&"csum") {
        Checksum::Sum
    } else if words.contains(&"remcsum") {
        Checksum::Remote
    } else {
        Checksum::None
    };
    let method = words.first().copied().unwrap_or_default();
    let tunnel = match (method, after("type")) {
        ("NAT", _) => return Some(Forwarding::Masquerade),
        ("DR", _) => return Some(Forwarding::Direct),
        ("TUN", None | Some("ipip")) => Some(Tunnel::Ipip),
        ("TUN", Some("gre")) => Some(Tunnel::Gre {
            checksum: checksum == Checksum::Sum,
        }),
        ("TUN", Some("gue")) => after("port")
            .and_then(|port| port.parse().ok())
            .map(|port| Tunnel::Gue { port, checksum }),
        _ => None,
    };
    if tunnel.is_none() {
        let text = format!(
            "the way of forwarding `{}` is left out: it is none of NAT, DR and TUN, of type \
             ipip, gre or gue with a port",
            words.join(" ")
        );
        notes.add(location, text);
    }
    tunnel.map(Forwarding::Tunnel)
}

/// `lvs_timeouts` of `global_defs`.
pub(super) fn timeouts(global: &Statement, notes: &mut Notes) -> Timeouts {
    let mut timeouts = Timeouts::new();
    let statements = global.block().iter();
    for statement in statements.filter(|statement| statement.keyword() == "lvs_timeouts") {
        for pair in statement.arguments().chunks(2) {
            let [name, seconds] = pair else {
                note_invalid(statement, "list of names and seconds", notes);
                continue;
            };
            let names = ["tcp", "tcpfin", "udp"];
            let key = names.into_iter().find(|key| *key == name.as_str());
            match key.zip(number(seconds, statement.location, notes)) {
                Some((key, seconds)) => {
                    timeouts.retain(|(other, _)| *other != key);
                    timeouts.push((key, timeout(key, seconds, statement.location, notes)));
                }
                None => note_invalid(statement, "list of names and seconds", notes),
            }
        }
    }
    timeouts
}
