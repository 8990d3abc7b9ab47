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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ContinuousStatistics {
    /// As last observed in the kernel.
    kernel: Statistics,
    /// What was counted before the kernel's counters began again. Boxed, since that is rare and
    /// there may be tens of thousands of objects.
    earlier: Option<Box<Statistics>>,
}

impl ContinuousStatistics {
    /// What was counted since the first observation, and by the kernel before it.
    pub(crate) fn total(&self) -> Statistics {
        let earlier = self.earlier.as_deref().copied().unwrap_or_default();
        each(earlier, self.kernel, u64::saturating_add)
    }

    /// Takes the kernel's counters of now.
    pub(crate) fn observe(&mut self, kernel: Statistics) {
        let before = std::mem::replace(&mut self.kernel, kernel);
        // Counters that are smaller than before have begun again.
        let lost = each(
            before,
            kernel,
            |before, now| {
                if now < before { before } else { 0 }
            },
        );
        if lost != Statistics::default() {
            let earlier = self.earlier.get_or_insert_default();
            **earlier = each(**earlier, lost, u64::saturating_add);
        }
    }
}

fn each(one: Statistics, other: Statistics, of: impl Fn(u64, u64) -> u64) -> Statistics {
    Statistics {
        connections: of(one.connections, other.connections),
        incoming_packets: of(one.incoming_packets, other.incoming_packets),
        outgoing_packets: of(one.outgoing_packets, other.outgoing_packets),
        incoming_bytes: of(one.incoming_bytes, other.incoming_bytes),
        outgoing_bytes: of(one.outgoing_bytes, other.outgoing_bytes),
    }
}

#[cfg(test)]
mod tests;
