//! The histograms of virtual services.
//!
//! The prometheus crate keeps a description, labels and two sets of buckets for each series, and
//! copies all of them for a scrape; there are thousands of virtual services.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, each twice the one before: from an answer on the LAN to the usual time-outs of
/// probes.
const PROBE_BOUNDS: [Duration; 14] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
    Duration::from_millis(32),
    Duration::from_millis(64),
    Duration::from_millis(128),
    Duration::from_millis(256),
    Duration::from_millis(512),
    Duration::from_millis(1024),
    Duration::from_millis(2048),
    Duration::from_millis(4096),
];

/// Upper bounds around the usual `fall` times `interval`.
const DETECTION_BOUNDS: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
];

/// The histograms of one virtual service.
#[derive(Debug)]
pub(super) struct ServiceHistograms {
    /// The name of the service.
    pub(super) name: Arc<str>,
    /// How long probes took.
    pub(super) probe_duration: Histogram<14>,
    /// From the start of the first failed probe to the weight being written.
    pub(super) detection: Histogram<8>,
}

impl ServiceHistograms {
    /// Without any value.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            probe_duration: Histogram::new(&PROBE_BOUNDS),
            detection: Histogram::new(&DETECTION_BOUNDS),
        }
    }
}

/// How often durations were observed, by upper bound.
#[derive(Debug)]
pub(super) struct Histogram<const N: usize> {
    bounds: &'static [Duration; N],
    /// The values up to each bound that are above the bound before.
    buckets: [AtomicU64; N],
    /// The values above the last bound.
    above: AtomicU64,
    /// Of all values, in nanoseconds.
    sum: AtomicU64,
}

/// A histogram at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HistogramValues {
    /// How many values are at most each upper bound.
    pub(super) up_to: Vec<(Duration, u64)>,
    /// How many there are.
    pub(super) count: u64,
    pub(super) sum: Duration,
}

impl<const N: usize> Histogram<N> {
    const fn new(bounds: &'static [Duration; N]) -> Self {
        Self {
            bounds,
            buckets: [const { AtomicU64::new(0) }; N],
            above: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a value.
    pub(super) fn observe(&self, value: Duration) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        let bucket = bucket.and_then(|index| self.buckets.get(index));
        bucket
            .unwrap_or(&self.above)
            .fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The values so far.
    pub(super) fn values(&self) -> HistogramValues {
        let mut count = 0;
        let buckets = self.bounds.iter().zip(&self.buckets);
        let up_to = buckets.map(|(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (*bound, count)
        });
        let up_to = up_to.collect();
        HistogramValues {
            up_to,
            count: count + self.above.load(Ordering::Relaxed),
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests;
