use proptest::prelude::*;

use super::*;

/// What happens to one object of the kernel.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// So many connections, each of three packets and 100 bytes.
    Traffic(u64),
    /// The kernel's counters are read, if the object is there.
    Observe,
    /// `ipvsadm -Z`.
    Zero,
    Remove,
    /// With the counters that it had, or with new ones.
    Add {
        same_counters: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..1_000_u64).prop_map(Event::Traffic),
        Just(Event::Observe),
        Just(Event::Zero),
        Just(Event::Remove),
        any::<bool>().prop_map(|same_counters| Event::Add { same_counters }),
    ]
}

fn counted(connections: u64) -> Statistics {
    Statistics {
        connections,
        incoming_packets: 3 * connections,
        outgoing_packets: 0,
        incoming_bytes: 100 * connections,
        outgoing_bytes: 0,
    }
}

fn counters(statistics: Statistics) -> [u64; 5] {
    [
        statistics.connections,
        statistics.incoming_packets,
        statistics.outgoing_packets,
        statistics.incoming_bytes,
        statistics.outgoing_bytes,
    ]
}

/// The kernel, and beside it the number of all connections that it ever had.
#[derive(Default)]
struct Kernel {
    count: u64,
    is_removed: bool,
    ever: u64,
}

impl Kernel {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Traffic(connections) if !self.is_removed => {
                self.count += connections;
                self.ever += connections;
            }
            Event::Zero if !self.is_removed => self.count = 0,
            Event::Remove => self.is_removed = true,
            Event::Add { same_counters } if self.is_removed => {
                self.is_removed = false;
                if !same_counters {
                    self.count = 0;
                }
            }
            Event::Traffic(_) | Event::Zero | Event::Add { .. } | Event::Observe => {}
        }
    }

    fn observe(&self, statistics: &mut ContinuousStatistics) {
        if !self.is_removed {
            statistics.observe(counted(self.count));
        }
    }
}

proptest! {
    #[test]
    fn counters_never_decrease_and_count_nothing_twice(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut kernel = Kernel::default();
        let mut statistics = ContinuousStatistics::default();
        for event in events {
            let before = counters(statistics.total());
            kernel.happens(event);
            if matches!(event, Event::Observe) {
                kernel.observe(&mut statistics);
            }
            let after = counters(statistics.total());
            for (before, (after, ever)) in
                before.into_iter().zip(after.into_iter().zip(counters(counted(kernel.ever))))
            {
                prop_assert!(before <= after && after <= ever, "{before}, {after}, {ever}");
            }
        }
    }

    #[test]
    fn counters_are_exact_if_every_event_is_observed(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut kernel = Kernel::default();
        let mut statistics = ContinuousStatistics::default();
        for event in events {
            kernel.happens(event);
            kernel.observe(&mut statistics);
        }
        prop_assert_eq!(statistics.total(), counted(kernel.ever));
    }

    #[test]
    fn counters_are_the_kernels_while_nothing_is_lost(
        steps in prop::collection::vec(0..u64::from(u32::MAX), 1..20),
    ) {
        let mut statistics = ContinuousStatistics::default();
        let mut count = 0;
        for step in steps {
            count += step;
            statistics.observe(counted(count));
            prop_assert_eq!(statistics.total(), counted(count));
        }
    }

    #[test]
    fn counters_of_32_bits_go_on_after_their_end(
        before in u32::MAX - 1_000..=u32::MAX,
        after in 0..1_000_u32,
    ) {
        let mut statistics = ContinuousStatistics::default();
        statistics.observe(counted(before.into()));
        statistics.observe(counted(after.into()));
        let expected = u64::from(before) + u64::from(after);
        prop_assert_eq!(statistics.total().connections, expected);
    }
}

#[test]
fn one_counter_that_ends_alone_leaves_the_others_alone() {
    let mut statistics = ContinuousStatistics::default();
    let packets = |incoming_packets, incoming_bytes| Statistics {
        incoming_packets,
        incoming_bytes,
        ..Statistics::default()
    };
    statistics.observe(packets(u64::from(u32::MAX), 1 << 40));
    statistics.observe(packets(5, (1 << 40) + 700));
    let total = statistics.total();
    assert_eq!(total.incoming_packets, u64::from(u32::MAX) + 5);
    assert_eq!(total.incoming_bytes, (1 << 40) + 700);
}
