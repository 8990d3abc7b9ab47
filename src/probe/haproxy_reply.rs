//! The words of an agent, a program or a file about a real server.

use super::detail::printable;
use super::exchange_result::{ExchangeResult, Failure, Pass};
use super::weight_advice::WeightAdvice;
use crate::model::{MAX_PERCENT, ProbeResult, Weight};

/// A parsed line: `up 75%`, `drain`, `down # disk full`, `40`.
///
/// Words and numbers are those of HAProxy's `agent-check` (its configuration
/// manual, section 5.2, and `tcpcheck_agent_expect_reply` in its
/// `src/tcpcheck.c`): in any case, separated by blanks, tabs or commas; of
/// several of a kind, the last one counts. The line ends with its first CR or
/// LF. A word that begins with `#` begins a text for people; so do unknown
/// words after one that says down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HaproxyReply {
    pub(super) health: Option<ReportedHealth>,
    pub(super) admin: Option<ReportedAdmin>,
    pub(super) weight: Option<WeightAdvice>,
    /// The line has `maxconn:N`, which is ignored, since IPVS has no such limit.
    has_maxconn: bool,
    unknown: Vec<String>,
    /// The text after the known words, for people.
    reason: Option<String>,
}

/// `up`, or a word for down and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReportedHealth {
    Up,
    Down(String),
}

/// HAProxy's administrative states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportedAdmin {
    Ready,
    Drain,
    Maintenance,
}

impl ReportedAdmin {
    /// Whether new connections stop. Checks continue, since a check reads the
    /// state.
    pub(super) const fn drains(self) -> bool {
        matches!(self, Self::Drain | Self::Maintenance)
    }

    /// The word of HAProxy.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maintenance => "maint",
        }
    }
}

impl HaproxyReply {
    /// Parses the first line of a program's output or of a file. A plain number is
    /// a weight, which HAProxy does not have. A later unknown word begins a reason
    /// for people.
    ///
    /// # Errors
    ///
    /// The first word is unknown.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut reply = Self::default();
        reply.reason = reply.line(bytes, |reply, word| {
            if let Some(weight) = word.parse().ok().and_then(Weight::new) {
                reply.weight = Some(WeightAdvice::Weight(weight));
                return true;
            }
            if reply.is_empty() {
                reply.unknown.push(word.to_owned());
            }
            false
        });
        match reply.unknown.first() {
            None => Ok(reply),
            Some(word) => {
                let shown: String = word.chars().take(40).collect();
                let detail = format!("`{}` is no advice", shown.escape_debug());
                Err(Failure::protocol(detail))
            }
        }
    }

    /// Parses the first line of an agent's answer, as HAProxy does: unknown words
    /// are ignored.
    pub(super) fn parse_agent(bytes: &[u8]) -> Self {
        let mut reply = Self::default();
        reply.line(bytes, |reply, word| {
            reply.unknown.push(word.to_owned());
            true
        });
        reply
    }

    /// Parses the line, and returns the text for people, if there is one. `other`
    /// takes a word that HAProxy does not have, and returns whether words follow.
    fn line(&mut self, bytes: &[u8], other: impl Fn(&mut Self, &str) -> bool) -> Option<String> {
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let mut rest = line.trim_start_matches(SEPARATORS);
        while !rest.is_empty() && !rest.starts_with('#') {
            let (word, tail) = rest.split_once(SEPARATORS).unwrap_or((rest, ""));
            if !self.word(word) && !other(self, word) {
                break;
            }
            rest = tail.trim_start_matches(SEPARATORS);
        }
        let text = rest.trim_start_matches('#').trim();
        if let Some(ReportedHealth::Down(why)) = &mut self.health {
            let reason = if text.is_empty() {
                self.unknown.join(" ")
            } else {
                text.to_owned()
            };
            if !reason.is_empty() {
                *why = format!("{why}: {}", printable(&reason));
            }
        }
        (!text.is_empty()).then(|| printable(text))
    }

    /// Takes one word; returns whether HAProxy has the word.
    fn word(&mut self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        match &*word {
            "up" => self.health = Some(ReportedHealth::Up),
            "down" | "fail" | "failed" | "stopped" => {
                self.health = Some(ReportedHealth::Down(word));
            }
            "ready" => self.admin = Some(ReportedAdmin::Ready),
            "drain" => self.admin = Some(ReportedAdmin::Drain),
            "maint" => self.admin = Some(ReportedAdmin::Maintenance),
            word if word.starts_with("maxconn:") => self.has_maxconn = true,
            number => match percent(number) {
                Some(percent) => self.weight = Some(WeightAdvice::Percent(percent)),
                None => return false,
            },
        }
        true
    }

    /// Whether the line has no known word.
    pub(super) fn is_empty(&self) -> bool {
        let known = self.health.is_some() || self.admin.is_some() || self.weight.is_some();
        !known && !self.has_maxconn
    }

    /// The unknown words, for people.
    pub(super) fn unknown(&self) -> Option<String> {
        let words = printable(&self.unknown.join(" "));
        (!words.is_empty()).then_some(words)
    }

    /// The reported state and weight, for people.
    pub(super) fn shown(&self) -> String {
        match (self.admin, self.weight) {
            (Some(ReportedAdmin::Drain), _) => "says drain".to_owned(),
            (Some(ReportedAdmin::Maintenance), _) => "says maint".to_owned(),
            (_, Some(WeightAdvice::Percent(percent))) => format!("says {percent}%"),
            (_, Some(WeightAdvice::Weight(weight))) => format!("says weight {weight}"),
            (Some(ReportedAdmin::Ready), _) => "says ready".to_owned(),
            (None, _) => match self.health {
                Some(_) => "says up".to_owned(),
                None if self.has_maxconn => "says only a limit of connections".to_owned(),
                None => "says nothing".to_owned(),
            },
        }
    }

    /// A word for down fails; every other line passes.
    pub(super) fn exchange_result(self) -> ExchangeResult {
        if let Some(ReportedHealth::Down(why)) = &self.health {
            let detail = format!("says {why}");
            let failure = Failure::new(ProbeResult::Status, detail);
            return Err(failure.with_real_server_fix(WHY_DOWN));
        }
        let mut shown = self.shown();
        if let Some(reason) = &self.reason {
            shown = format!("{shown}: {reason}");
        }
        Ok(Pass {
            advice: advice(self.admin, self.weight),
            ..Pass::new(shown)
        })
    }
}

/// The fix for a word for down.
pub(super) const WHY_DOWN: &str = "see why its agent, or whoever speaks for it, says so: somebody \
                                   may have taken it out of service on purpose";

/// The words of advice of which a program or a file on the director must give one.
pub(super) const ADVICE: &str = "one of `up`, `down`, `drain`, `maint`, `ready`, a weight from 0 to \
                                 2147483647 or a percentage such as `75%`";

const SEPARATORS: [char; 3] = [' ', '\t', ','];

/// Digits and a `%`.
fn percent(word: &str) -> Option<u16> {
    let digits = word.strip_suffix('%')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // As HAProxy does, a percentage above the largest counts as that one. A number that does not
    // fit is above it.
    let percent = digits.parse().unwrap_or(MAX_PERCENT);
    Some(percent.min(MAX_PERCENT))
}

/// The advice from state and weight; a weight counts only without a drain.
pub(super) fn advice(
    admin: Option<ReportedAdmin>,
    weight: Option<WeightAdvice>,
) -> Option<WeightAdvice> {
    match admin {
        Some(admin) if admin.drains() => Some(WeightAdvice::Drain),
        Some(_) => weight.or(Some(WeightAdvice::Ready)),
        None => weight,
    }
}

#[cfg(test)]
mod tests;
