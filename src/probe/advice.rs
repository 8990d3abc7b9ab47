use super::ProbeResult;
use super::verdict::{Failure, Pass, Verdict};
use crate::model::Weight;

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
    /// So many percent of the configured weight, 0 to 100; what is not 0
    /// should not be rounded down to it.
    Percent(u8),
    /// This weight in place of the configured one.
    Weight(Weight),
    /// No new connections; those that there are go on.
    Drain,
    /// The configured weight again.
    Ready,
}

/// What a line says: `up 75%`, `drain`, `down # disk full`, `40`.
///
/// The words are those of HAProxy's `agent-check`, in any case, separated by
/// blanks or commas: `up`, `ready`; `down`, `fail`, `failed`, `stopped`;
/// `drain`, `maint`; a percentage; a weight, which HAProxy does not have; and
/// `maxconn:N`, which IPVS has no use for: alone, it changes nothing, as with
/// HAProxy ("Parameters which are not advertised by the agent are not
/// changed", its configuration manual, section 5.2). The line ends at a `#`, after
/// which comes a text for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    down: bool,
    up: bool,
    limit: bool,
    advice: Option<Advice>,
}

impl Said {
    /// Reads the first line.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let mut said = Self::default();
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'#')).next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        let words = line.split(|c: char| c.is_ascii_whitespace() || c == ',');
        for word in words.filter(|word| !word.is_empty()) {
            said.word(&word.to_ascii_lowercase()).ok_or_else(|| {
                let shown: String = word.chars().take(40).collect();
                Failure::protocol(format!("`{}` is no advice", shown.escape_debug()))
            })?;
        }
        Ok(said)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        match word {
            "up" => self.up = true,
            // A share that comes with it says more.
            "ready" => {
                self.up = true;
                self.advice = self.advice.or(Some(Advice::Ready));
            }
            "down" | "fail" | "failed" | "stopped" => self.down = true,
            "drain" | "maint" => self.advice = Some(Advice::Drain),
            number => {
                let share = if let Some(percent) = number.strip_suffix('%') {
                    let percent = percent.parse().ok().filter(|percent| *percent <= 100)?;
                    Advice::Percent(percent)
                } else if number.starts_with("maxconn:") {
                    self.limit = true;
                    return Some(());
                } else {
                    Advice::Weight(Weight::new(number.parse().ok()?)?)
                };
                if self.advice != Some(Advice::Drain) {
                    self.advice = Some(share);
                }
            }
        }
        Some(())
    }

    /// Whether there was not a word.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `down` fails; all else passes.
    pub(super) fn verdict(self) -> Verdict {
        if self.down {
            let failure = Failure::new(ProbeResult::Status, "says that it is down");
            return Err(failure.fixed_there(
                "see why its agent, or whoever speaks for it, says so: somebody may have taken it \
                 out of service on purpose",
            ));
        }
        let detail = match self.advice {
            Some(Advice::Percent(percent)) => format!("says {percent}%"),
            Some(Advice::Weight(weight)) => format!("says weight {weight}"),
            Some(Advice::Drain) => "says drain".to_owned(),
            Some(Advice::Ready) => "says ready".to_owned(),
            None if self.up => "says up".to_owned(),
            None if self.limit => "says only a limit of connections".to_owned(),
            None => "says nothing".to_owned(),
        };
        Ok(Pass {
            advice: self.advice,
            ..Pass::new(detail)
        })
    }
}

#[cfg(test)]
mod tests;
