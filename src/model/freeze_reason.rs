//! Why no weight is changed.

use std::fmt;
use std::sync::Arc;

use super::ProbeResult;

/// Why weights are frozen: the label `reason` of `lvs_weights_frozen`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FreezeReason {
    /// The director's own interface has no carrier, or is down.
    Link,
    /// The director's own interface is not there.
    NoInterface,
    /// Most probes of unrelated virtual services began to fail within one interval.
    Probes(MassFailure),
    /// The director's clock is wrong: only the verdicts that depend on the
    /// dates of certificates are frozen, since those alone are in doubt.
    Clock,
}

/// What was seen when most probes of unrelated virtual services began to fail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MassFailure {
    /// The result that most of the failing probes had.
    pub(crate) result: ProbeResult,
    /// What the last of them saw, if it had that result: `HTTP 503, expected 200`.
    pub(crate) example: Option<Arc<str>>,
    /// What the probes with that result reached.
    pub(crate) reached: Reached,
    /// How many of the failing probes had that result.
    pub(crate) with_result: usize,
    pub(crate) failing: usize,
    /// Most of the failing probes have not passed since a reload changed their checks.
    pub(crate) check_changed: bool,
}

/// What a failed probe reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Nobody that answered.
    Nobody,
    /// A host that refused the connection.
    Host,
    /// A server that answered, or at least accepted the connection.
    Server,
}

impl FreezeReason {
    /// The values of the label.
    pub(crate) const LABELS: [&str; 4] = ["link", "interface", "probes", "clock"];

    /// The label's value.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::NoInterface => "interface",
            Self::Probes(_) => "probes",
            Self::Clock => "clock",
        }
    }

    /// Whether no weight at all is changed for it.
    pub(crate) const fn freezes_all(&self) -> bool {
        match self {
            Self::Link | Self::NoInterface | Self::Probes(_) => true,
            Self::Clock => false,
        }
    }

    /// What is frozen for it.
    pub(crate) const fn what(&self) -> &'static str {
        if self.freezes_all() {
            "all weights are frozen"
        } else {
            "verdicts that depend on the dates of certificates are frozen"
        }
    }

    /// What ends the reason, for people.
    pub(crate) fn fix(&self) -> String {
        const NETWORK: &str = "see `ip -brief link` and `ip route` on this host";
        match self {
            Self::Link | Self::NoInterface => NETWORK.to_owned(),
            Self::Probes(seen) => {
                let by_reach = match seen.reached {
                    Reached::Nobody => NETWORK,
                    Reached::Host => {
                        "the network works, as the hosts of real servers answer: see whether \
                         their servers listen on the port that the check asks"
                    }
                    Reached::Server => {
                        "the network works, as real servers answer: see whether the check expects \
                         the right answer, and what all real servers depend on"
                    }
                };
                if seen.check_changed {
                    format!(
                        "correct the check that the last reload changed, and reload; otherwise \
                         {by_reach}"
                    )
                } else {
                    by_reach.to_owned()
                }
            }
            Self::Clock => "timedatectl set-ntp true".to_owned(),
        }
    }
}

impl fmt::Display for FreezeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "the director's own link is down",
            Self::NoInterface => {
                "there is no such interface as `director.link` or `director.interface` names"
            }
            Self::Probes(seen) => return seen.fmt(f),
            Self::Clock => {
                "the director's clock is wrong, by all certificates that real servers show"
            }
        })
    }
}

impl fmt::Display for MassFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            result,
            with_result,
            failing,
            example,
            ..
        } = self;
        write!(
            f,
            "most probes of unrelated virtual services began to fail within one interval, \
             {with_result} of {failing} with the result `{}`",
            result.as_str()
        )?;
        if let Some(example) = example {
            write!(f, " (such as: {example})")?;
        }
        if self.check_changed {
            f.write_str(", after a reload changed their checks")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
