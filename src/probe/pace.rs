use std::sync::atomic::{AtomicU8, Ordering};

/// How urgent the next outcome of a probe is, as health sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pace {
    /// Every real server that the probe speaks of is up, and the last outcome
    /// agrees: the check's `interval`.
    Steady,
    /// There is no verdict yet, or the last outcome disagrees with it, for at
    /// least one of them: the check's `fast_interval`.
    Doubt,
    /// All of them are down, and the last outcome agrees: the check's
    /// `down_interval`.
    Down,
}

impl Pace {
    /// That of a probe that speaks of two: doubt of one of them is urgent, and
    /// one that is up is not left to the pace of one that is down.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Doubt, _) | (_, Self::Doubt) => Self::Doubt,
            (Self::Down, Self::Down) => Self::Down,
            (Self::Steady, _) | (_, Self::Steady) => Self::Steady,
        }
    }
}

/// The pace of one probe: health sets it, and the probe's task looks at it
/// when it might be time for the next probe. The latest value counts.
#[derive(Debug)]
pub(crate) struct PaceCell(AtomicU8);

impl Default for PaceCell {
    /// In doubt: there is no verdict at the start.
    fn default() -> Self {
        Self(AtomicU8::new(Pace::Doubt as u8))
    }
}

impl PaceCell {
    /// Sets the pace from the next look on. A probe in flight is not cut short.
    pub(crate) fn set(&self, pace: Pace) {
        // Nothing else is published by it.
        self.0.store(pace as u8, Ordering::Relaxed);
    }

    /// What was set last.
    pub(crate) fn get(&self) -> Pace {
        let pace = self.0.load(Ordering::Relaxed);
        [Pace::Steady, Pace::Down]
            .into_iter()
            .find(|known| *known as u8 == pace)
            .unwrap_or(Pace::Doubt)
    }
}
