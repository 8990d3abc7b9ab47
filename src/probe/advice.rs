use super::checks::agent::printable;
use super::verdict::{Failure, Pass, Verdict};
use crate::model::{ProbeResult, Weight};

/// What a real server, or somebody on its behalf, says of its share of new
/// connections, beside whether it passes its check: the answer of an agent,
/// the output of a command, the content of a file.
///
/// A piece of advice replaces the one before it as a whole, and holds until
/// the next one; an outcome without advice leaves the last one in force. It
/// speaks of a real server that is up: one that is down gets no connections
/// whatever it advises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// So many percent of the configured weight, also more than 100; what is
    /// not 0 should not be rounded down to it.
    Percent(u16),
    /// This weight in place of the configured one.
    Weight(Weight),
    /// No new connections; those that there are go on.
    Drain,
    /// The configured weight again.
    Ready,
}

/// The most percent that HAProxy takes; more are as many as this
/// (`server_parse_weight_change_request` in its `src/server.c`).
const MOST_PERCENT: u16 = 25_600;

/// What a line says: `up 75%`, `drain`, `down # disk full`, `40`.
///
/// Words and numbers are those of HAProxy's `agent-check` (its configuration
/// manual, section 5.2, and `tcpcheck_agent_expect_reply` in its
/// `src/tcpcheck.c`): in any case, separated by blanks, tabs or commas; of
/// several of a kind, the last one counts. The line ends with its first CR or
/// LF. A word that begins with `#` begins a text for people; so do unknown
/// words after one that says down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) health: Option<Health>,
    pub(super) admin: Option<Admin>,
    pub(super) share: Option<Advice>,
    /// `maxconn:N`, which IPVS has no use for: alone, it changes nothing.
    limit: bool,
    unknown: Vec<String>,
    /// What follows what is known, for people.
    reason: Option<String>,
}

/// `up`, or one of the words that say down, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Up,
    Down(String),
}

/// HAProxy's administrative states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admin {
    Ready,
    Drain,
    Maintenance,
}

impl Admin {
    /// Whether there are no new connections. Checks go on in any case: the
    /// agent is asked by one.
    pub(super) const fn drains(self) -> bool {
        matches!(self, Self::Drain | Self::Maintenance)
    }

    /// HAProxy's word for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maintenance => "maint",
        }
    }
}

impl Said {
    /// Reads the first line of what a program or a file says. A number is a
    /// weight, which HAProxy does not have. A first word that is unknown is
    /// refused, as somebody wrote it for the agent; a later one begins a reason
    /// for people.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let mut said = Self::default();
        said.reason = said.line(bytes, |said, word| {
            if let Some(weight) = word.parse().ok().and_then(Weight::new) {
                said.share = Some(Advice::Weight(weight));
                return true;
            }
            if said.is_empty() {
                said.unknown.push(word.to_owned());
            }
            false
        });
        match said.unknown.first() {
            None => Ok(said),
            Some(word) => {
                let shown: String = word.chars().take(40).collect();
                let detail = format!("`{}` is no advice", shown.escape_debug());
                Err(Failure::protocol(detail))
            }
        }
    }

    /// Reads the first line of what an agent says, as HAProxy does: unknown
    /// words are ignored.
    pub(super) fn of_agent(bytes: &[u8]) -> Self {
        let mut said = Self::default();
        said.line(bytes, |said, word| {
            said.unknown.push(word.to_owned());
            true
        });
        said
    }

    /// Hands back the text for people, if there is one. `other` tells whether
    /// words follow one that is not HAProxy's.
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
        if let Some(Health::Down(why)) = &mut self.health {
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

    /// Whether it is known.
    fn word(&mut self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        match &*word {
            "up" => self.health = Some(Health::Up),
            "down" | "fail" | "failed" | "stopped" => self.health = Some(Health::Down(word)),
            "ready" => self.admin = Some(Admin::Ready),
            "drain" => self.admin = Some(Admin::Drain),
            "maint" => self.admin = Some(Admin::Maintenance),
            word if word.starts_with("maxconn:") => self.limit = true,
            number => match percent(number) {
                Some(percent) => self.share = Some(Advice::Percent(percent)),
                None => return false,
            },
        }
        true
    }

    /// Whether there was nothing that is known.
    pub(super) fn is_empty(&self) -> bool {
        let known = self.health.is_some() || self.admin.is_some() || self.share.is_some();
        !known && !self.limit
    }

    /// The words that are not known, for people.
    pub(super) fn unknown(&self) -> Option<String> {
        let words = printable(&self.unknown.join(" "));
        (!words.is_empty()).then_some(words)
    }

    /// What was said of the share, for people.
    pub(super) fn shown(&self) -> String {
        match (self.admin, self.share) {
            (Some(Admin::Drain), _) => "says drain".to_owned(),
            (Some(Admin::Maintenance), _) => "says maint".to_owned(),
            (_, Some(Advice::Percent(percent))) => format!("says {percent}%"),
            (_, Some(Advice::Weight(weight))) => format!("says weight {weight}"),
            (Some(Admin::Ready), _) => "says ready".to_owned(),
            (None, _) => match self.health {
                Some(_) => "says up".to_owned(),
                None if self.limit => "says only a limit of connections".to_owned(),
                None => "says nothing".to_owned(),
            },
        }
    }

    /// A word that says down fails; all else passes.
    pub(super) fn verdict(self) -> Verdict {
        if let Some(Health::Down(why)) = &self.health {
            let detail = format!("says {why}");
            let failure = Failure::new(ProbeResult::Status, detail);
            return Err(failure.fixed_there(WHY_DOWN));
        }
        let mut shown = self.shown();
        if let Some(reason) = &self.reason {
            shown = format!("{shown}: {reason}");
        }
        Ok(Pass {
            advice: advice(self.admin, self.share),
            ..Pass::new(shown)
        })
    }
}

/// What to do about a word that says down.
pub(super) const WHY_DOWN: &str = "see why its agent, or whoever speaks for it, says so: somebody \
                                   may have taken it out of service on purpose";

const SEPARATORS: [char; 3] = [' ', '\t', ','];

/// Digits and a `%`.
fn percent(word: &str) -> Option<u16> {
    let digits = word.strip_suffix('%')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit is far above the most.
    let percent = digits.parse().unwrap_or(MOST_PERCENT);
    Some(percent.min(MOST_PERCENT))
}

/// What follows from both; a share counts only where nothing drains.
pub(super) fn advice(admin: Option<Admin>, share: Option<Advice>) -> Option<Advice> {
    match admin {
        Some(admin) if admin.drains() => Some(Advice::Drain),
        Some(_) => share.or(Some(Advice::Ready)),
        None => share,
    }
}

#[cfg(test)]
mod tests;
