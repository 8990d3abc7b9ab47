//! Why no weight is changed.

use std::fmt;

/// Why weights are frozen: the label `reason` of `lvs_weights_frozen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FreezeReason {
    /// The director's own interface has no carrier, or is down.
    Link,
    /// The director's own interface is not there.
    NoInterface,
    /// Most probes of unrelated virtual services began to fail within one interval.
    Probes,
    /// The director's clock is wrong: only the verdicts that depend on the
    /// dates of certificates are frozen, since those alone are in doubt.
    Clock,
}

impl FreezeReason {
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
    pub(crate) const fn freezes_all(self) -> bool {
        match self {
            Self::Link | Self::NoInterface | Self::Probes => true,
            Self::Clock => false,
        }
    }

    /// What is frozen for it.
    pub(crate) const fn what(self) -> &'static str {
        if self.freezes_all() {
            "all weights are held"
        } else {
            "verdicts that depend on the dates of certificates are held"
        }
    }
}

impl fmt::Display for FreezeReason {
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
