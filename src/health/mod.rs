//! Health: how outcomes become verdicts, and verdicts weights. Pure, but for
//! its one owner task.
//!
//! ```text
//! outcome ─▶ machine (rise, fall) ─▶ pool (quorum, fail-open, sorry server) ─▶ weights
//!              ▲ damping: rise         ▲ slow start: share by time
//! own fault, own link ─▶ hold: nothing of this moves
//! ```

mod announce;
mod bursts;
mod damping;
mod diagnose;
mod machine;
mod own_fault;
mod pool;
mod probe_loops;
mod ramp;
mod task;
mod timers;
mod unmade;

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{RealServerKey, ServiceKey, Weight};

pub(crate) use machine::weight;
use machine::{Machine, Transition};
pub(crate) use pool::{Admin, Handling, Quiesced, Standing};
pub(crate) use task::{
    Change, DrainDeadline, Handover, HealthTask, Outlook, Request, Subscriptions, ends_by_itself,
};

/// The weights that real servers should have, by virtual service.
pub(crate) type Weights = BTreeMap<(ServiceKey, RealServerKey), Weight>;

/// The verdict on one real server of one virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    /// No verdict yet.
    Unknown,
    /// It passes its check.
    Up,
    /// It fails its check.
    Down,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Why weights are held: the label `reason` of `lvs_weights_held`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HoldReason {
    /// The director's own interface has no carrier, or is down.
    Link,
    /// The director's own interface is not there.
    NoInterface,
    /// Most probes of unrelated virtual services began to fail within one interval.
    Probes,
    /// The director's clock is wrong: only the verdicts that depend on the
    /// dates of certificates are held, since those alone are in doubt.
    Clock,
}

impl HoldReason {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Link, Self::NoInterface, Self::Probes, Self::Clock];

    /// The label's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::NoInterface => "interface",
            Self::Probes => "probes",
            Self::Clock => "clock",
        }
    }

    /// Whether no weight at all is changed for it.
    pub(crate) const fn holds_all(self) -> bool {
        match self {
            Self::Link | Self::NoInterface | Self::Probes => true,
            Self::Clock => false,
        }
    }

    /// What is held for it.
    pub(crate) const fn what(self) -> &'static str {
        if self.holds_all() {
            "all weights are held"
        } else {
            "verdicts that depend on the dates of certificates are held"
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Link => "the director's own link is down",
            Self::NoInterface => {
                "there is no such interface as `director.link` or `director.interface` names"
            }
            Self::Probes => {
                "most probes of unrelated virtual services began to fail within one interval"
            }
            Self::Clock => {
                "the director's clock is wrong, by all certificates that real servers show; set \
                 it, for example with `timedatectl set-ntp true`"
            }
        })
    }
}
