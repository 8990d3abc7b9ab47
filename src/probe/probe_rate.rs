//! How often a probe is made, as health asks for it.

use std::sync::atomic::{AtomicU8, Ordering};

/// The interval of a probe that health asks for, as HAProxy has `inter`,
/// `fastinter` and `downinter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ProbeRate {
    /// The check's `interval`: every real server of the probe is up, and the last
    /// outcome agrees.
    Normal,
    /// The check's `fast_interval`: at least one real server has no verdict yet, or
    /// a verdict with which the last outcome disagrees.
    Fast,
    /// The check's `down_interval`: every real server is down, and the last outcome
    /// agrees.
    Down,
}

impl ProbeRate {
    /// The rate of a probe with two real servers: the more urgent of both rates.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fast, _) | (_, Self::Fast) => Self::Fast,
            (Self::Down, Self::Down) => Self::Down,
            (Self::Normal, _) | (_, Self::Normal) => Self::Normal,
        }
    }
}

/// The rate of one probe. Health writes the rate, and the task of the probe reads
/// the latest value when the next probe may be due.
#[derive(Debug)]
pub(crate) struct SharedProbeRate(AtomicU8);

impl Default for SharedProbeRate {
    /// [`ProbeRate::Fast`], since no verdict exists at the start.
    fn default() -> Self {
        Self(AtomicU8::new(ProbeRate::Fast as u8))
    }
}

impl SharedProbeRate {
    /// Sets the rate. The task reads it when it wakes; a probe in flight continues.
    pub(crate) fn set(&self, rate: ProbeRate) {
        // The value publishes no other data.
        self.0.store(rate as u8, Ordering::Relaxed);
    }

    /// The latest rate.
    pub(crate) fn get(&self) -> ProbeRate {
        let rate = self.0.load(Ordering::Relaxed);
        [ProbeRate::Normal, ProbeRate::Down]
            .into_iter()
            .find(|known| *known as u8 == rate)
            .unwrap_or(ProbeRate::Fast)
    }
}
