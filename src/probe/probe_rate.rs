//! How often a probe is made, as health asks for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::time::Sleep;

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
pub(crate) struct SharedProbeRate {
    rate: AtomicU8,
    /// The watched connection has ended, and the task does not know of it yet.
    brought_forward: AtomicBool,
    /// The rate has become [`ProbeRate::Fast`], and the task does not know of it yet.
    more_urgent: AtomicBool,
    /// Whether the task wakes when the real server is up.
    is_watched: bool,
    /// The rate of a watched probe has become [`ProbeRate::Normal`], and the task does not know
    /// of it yet.
    up: AtomicBool,
    sleeper: AtomicWaker,
}

/// Why the sleep of a probe's task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// It was time.
    InTime,
    /// The rate has become [`ProbeRate::Fast`].
    MoreUrgent,
    /// The watched connection has ended.
    BroughtForward,
    /// The real server of a watched probe is up, without doubt.
    Up,
}

impl Default for SharedProbeRate {
    /// [`ProbeRate::Fast`], since no verdict exists at the start.
    fn default() -> Self {
        Self {
            rate: AtomicU8::new(ProbeRate::Fast as u8),
            brought_forward: AtomicBool::new(false),
            more_urgent: AtomicBool::new(false),
            is_watched: false,
            up: AtomicBool::new(false),
            sleeper: AtomicWaker::new(),
        }
    }
}

impl SharedProbeRate {
    /// The same of a probe with a watched connection, or without.
    pub(super) fn new(is_watched: bool) -> Self {
        Self {
            is_watched,
            ..Self::default()
        }
    }

    /// Sets the rate, and wakes the task if the next probe may be due earlier now, or a
    /// connection may be watched. A probe in flight continues.
    pub(crate) fn set(&self, rate: ProbeRate) {
        let before = self.rate.swap(rate as u8, Ordering::Relaxed);
        if rate == ProbeRate::Fast && before != ProbeRate::Fast as u8 {
            self.more_urgent.store(true, Ordering::Release);
            self.sleeper.wake();
        }
        if self.is_watched && rate == ProbeRate::Normal && before != ProbeRate::Normal as u8 {
            self.up.store(true, Ordering::Release);
            self.sleeper.wake();
        }
    }

    /// The latest rate.
    pub(crate) fn get(&self) -> ProbeRate {
        let rate = self.rate.load(Ordering::Relaxed);
        [ProbeRate::Normal, ProbeRate::Down]
            .into_iter()
            .find(|known| *known as u8 == rate)
            .unwrap_or(ProbeRate::Fast)
    }

    /// Asks for one probe now, whatever the rate.
    pub(super) fn bring_forward(&self) {
        self.brought_forward.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    /// Waits for the end of the sleep, or until a probe may be due earlier. For the task of the
    /// probe alone.
    pub(super) fn sleep<'a>(
        &'a self,
        mut sleep: Pin<&'a mut Sleep>,
    ) -> impl Future<Output = Woken> + 'a {
        poll_fn(move |context| {
            if let Poll::Ready(woken) = self.poll_signal(context) {
                return Poll::Ready(woken);
            }
            sleep.as_mut().poll(context).map(|()| Woken::InTime)
        })
    }

    fn poll_signal(&self, context: &Context<'_>) -> Poll<Woken> {
        self.sleeper.register(context.waker());
        if self.brought_forward.swap(false, Ordering::AcqRel) {
            Poll::Ready(Woken::BroughtForward)
        } else if self.more_urgent.swap(false, Ordering::AcqRel) {
            Poll::Ready(Woken::MoreUrgent)
        } else if self.is_watched && self.up.swap(false, Ordering::AcqRel) {
            Poll::Ready(Woken::Up)
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests;
