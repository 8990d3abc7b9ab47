//! Names of schedulers.

use std::fmt;
use std::str::FromStr;

use super::ParseError;

/// The name of the scheduling algorithm of a virtual service.
///
/// Which names exist is the running kernel's to say (each is a module
/// `ip_vs_NAME`), so any well-formed name is accepted here: 1 to 15 letters,
/// digits, `_` or `-` (`IP_VS_SCHEDNAME_MAXLEN` in `linux/ip_vs.h`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheduler(Box<str>);

impl Scheduler {
    /// `IP_VS_SCHEDNAME_MAXLEN` less the final NUL.
    pub const MAX_LENGTH: usize = 15;

    /// The schedulers that Linux has (`net/netfilter/ipvs/ip_vs_*.c`, Linux 6.12).
    pub const OF_LINUX: [&str; 14] = [
        "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq",
        "twos",
    ];

    /// Whether it has flags of its own.
    pub(crate) fn has_flags(&self) -> bool {
        matches!(self.as_str(), "sh" | "mh")
    }

    /// Whether it is one of these.
    pub fn is_of_linux(&self) -> bool {
        Self::OF_LINUX.contains(&self.as_str())
    }

    /// Whether it refuses the clients whose hash leads to a real server of
    /// weight 0, unless the service has the flag `fallback`.
    pub fn refuses_without_fallback(&self) -> bool {
        matches!(self.as_str(), "sh" | "mh")
    }

    /// Whether it picks by a table of hashes, which it builds anew at every
    /// write of a weight, and in which a real server of weight 0 may keep a
    /// share that is then dropped (`ip_vs_sh.c`, `ip_vs_mh.c`, `ip_vs_dh.c`).
    pub fn hashes(&self) -> bool {
        matches!(self.as_str(), "sh" | "mh" | "dh")
    }

    /// Each in its turn (`ip_vs_rr.c`).
    pub fn round_robin() -> Self {
        Self("rr".into())
    }

    /// The name as the kernel takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self("wlc".into())
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Scheduler {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let well_formed = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if well_formed {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new(
                text,
                "a scheduler: a name such as wlc, of at most 15 letters",
            ))
        }
    }
}
