//! Counters that go on where the kernel's begin again. Pure.
//!
//! The kernel's counters begin at 0 when a destination or a service is removed and added
//! again, when `ipvsadm -Z` zeroes them, and after 2^32 where the kernel counts in 32
//! bits. Prometheus takes any decrease for a new start from 0, and then counts again all
//! that was counted before it.

use super::Statistics;

/// The kernel's counters of one object, continued over its removal and over zeroing.
///
/// No counter ever decreases. What the kernel counts between the last observation and the
/// loss of its counters is missing; nothing is ever counted twice. While the object is absent,
/// its counters stay: a destination that is added again within some minutes goes on with the
/// counters that it had (`ip_vs_trash_get_dest` in `ip_vs_ctl.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ContinuousStatistics {
    total: Statistics,
    /// As last observed in the kernel.
    kernel: Statistics,
}

impl ContinuousStatistics {
    /// What was counted since the first observation, and by the kernel before it.
    pub(crate) fn total(&self) -> Statistics {
        self.total
    }

    /// Takes the kernel's counters of now.
    pub(crate) fn observe(&mut self, kernel: Statistics) {
        let before = std::mem::replace(&mut self.kernel, kernel);
        let counter = |of: fn(&Statistics) -> u64| {
            let (before, now) = (of(&before), of(&kernel));
            // Counters that are smaller than before have begun again.
            let counted = now.checked_sub(before).unwrap_or(now);
            of(&self.total).saturating_add(counted)
        };
        self.total = Statistics {
            connections: counter(|statistics| statistics.connections),
            incoming_packets: counter(|statistics| statistics.incoming_packets),
            outgoing_packets: counter(|statistics| statistics.outgoing_packets),
            incoming_bytes: counter(|statistics| statistics.incoming_bytes),
            outgoing_bytes: counter(|statistics| statistics.outgoing_bytes),
        };
    }
}

#[cfg(test)]
mod tests;
