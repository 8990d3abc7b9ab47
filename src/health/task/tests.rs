use std::collections::BTreeMap;
use std::io;
use std::time::{Instant, SystemTime};

use super::*;
use crate::model::{ProbeResult, Weights};
use crate::probe::{Advice, Outcome, probe_targets};
use crate::reconcile::captured_log::second_dispatch;
use crate::runtime::shared::Shared;

const CLUSTER: &str = "
virtual_services:
  - name: fast
    address: 192.0.2.1:80
    check: { http: { host: site }, rise: 1, fall: 1 }
    real_servers: [{ name: rs1, address: 192.0.2.11, weight: 5 }]
  - name: slow
    address: 192.0.2.2:80
    check: { http: { host: site }, rise: 2, fall: 3 }
    real_servers:
      - { name: rs1, address: 192.0.2.11, weight: 7 }
      - { name: rs2, address: 192.0.2.12 }
";

/// rs1 of `fast`, rs1 of `slow` (the same target and check) and rs2.
const FAST: RealServerId = RealServerId {
    service: 0,
    real_server: 0,
};
const SLOW: RealServerId = RealServerId {
    service: 1,
    real_server: 0,
};
const OTHER: RealServerId = RealServerId {
    service: 1,
    real_server: 1,
};

struct Bench {
    task: HealthTask,
    start: Instant,
    reported: u64,
}

impl Bench {
    fn new() -> Self {
        let config = Arc::new(Config::parse("cluster.yaml", CLUSTER).unwrap());
        let targets = probe_targets(&config);
        assert_eq!(targets.len(), 2, "rs1 is probed once for both services");
        assert_eq!(targets[0].subscribers, [FAST, SLOW]);
        let names = config.virtual_services.iter().map(|service| &*service.name);
        let probes = (0..targets.len()).map(|n| Probe {
            id: ProbeId(n.try_into().unwrap()),
            pace: Arc::default(),
        });
        let probes = probes.collect();
        let task = HealthTask::new(
            Arc::clone(&config),
            Subscriptions { probes, targets },
            Arc::new(Snapshot::director(
                &config,
                "cluster.yaml".into(),
                SystemTime::UNIX_EPOCH,
            )),
            Arc::new(Metrics::new(names).unwrap()),
            Arc::new(Intent::default()),
        );
        Self {
            task,
            start: clock::monotonic(),
            reported: 0,
        }
    }

    /// The next probe, a second after the one before.
    fn report(&mut self, probe: u32, result: ProbeResult) {
        self.report_with(probe, result, None);
    }

    fn report_with(&mut self, probe: u32, result: ProbeResult, advice: Option<Advice>) {
        self.reported += 1;
        let since = Duration::from_secs(self.reported);
        let report = Report {
            probe: ProbeId(probe),
            outcome: Outcome {
                result,
                detail: format!("it was {}", result.as_str()),
                duration: Duration::from_millis(3),
                advice,
                certificate_expiry: None,
                plain: None,
                vip: None,
                fix: None,
            },
            started: self.start + since,
            at: SystemTime::UNIX_EPOCH + since,
        };
        self.task.on_report(&report, self.start + since);
    }

    fn live(&self, id: RealServerId) -> crate::status::RealServerLive {
        let (_, record) = self.task.snapshot.records(id).unwrap();
        record.live.lock().clone()
    }

    fn health(&self, ids: [RealServerId; 2]) -> [Health; 2] {
        ids.map(|id| self.live(id).health)
    }

    /// Weights that reconcile would find, and the second of the first failure.
    fn wanted(&self) -> BTreeMap<RealServerId, (u32, Option<u64>)> {
        let changes = self.task.intent.take();
        let change = |change: WeightChange| {
            let first = change.first_failure;
            let first = first.map(|first| (first - self.start).as_secs());
            (change.weight.get(), first)
        };
        changes
            .into_iter()
            .map(|(id, wanted)| (id, change(wanted)))
            .collect()
    }
}

#[test]
fn one_report_reaches_all_and_each_counts_for_itself() {
    let mut bench = Bench::new();
    bench.report(0, ProbeResult::Ok);
    assert_eq!(bench.health([FAST, SLOW]), [Health::Up, Health::Unknown]);
    assert_eq!(bench.wanted(), [(FAST, (5, None))].into());

    bench.report(0, ProbeResult::Ok);
    assert_eq!(bench.health([FAST, SLOW]), [Health::Up, Health::Up]);
    assert_eq!(
        bench.wanted(),
        [(SLOW, (7, None))].into(),
        "each its own weight, and only what changed"
    );

    bench.report(0, ProbeResult::Status);
    assert_eq!(bench.health([FAST, SLOW]), [Health::Down, Health::Up]);
    assert_eq!(bench.wanted(), [(FAST, (0, Some(3)))].into());
    bench.report(0, ProbeResult::Timeout);
    assert_eq!(bench.live(SLOW).health, Health::Up, "two of three");
    bench.report(0, ProbeResult::Refused);
    assert_eq!(bench.live(SLOW).health, Health::Down);
    assert_eq!(bench.wanted(), [(SLOW, (0, Some(3)))].into());
    assert_eq!(bench.live(OTHER).health, Health::Unknown);
    assert!(bench.live(OTHER).last_probe.is_none());
}

#[test]
fn what_a_record_shows_is_the_newest_probe_and_the_newest_change() {
    let mut bench = Bench::new();
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    for result in [ProbeResult::Ok, ProbeResult::Body, ProbeResult::Body] {
        bench.report(0, result);
    }
    let live = bench.live(FAST);
    assert_eq!(live.since, at(2), "the second failure changed nothing");
    assert_eq!((live.transitions_up, live.transitions_down), (1, 1));
    assert_eq!(live.probes[ProbeResult::Ok.index()], 1);
    assert_eq!(live.probes[ProbeResult::Body.index()], 2);
    let probe = live.last_probe.unwrap();
    assert_eq!(
        (probe.result, probe.at, &*probe.detail),
        (ProbeResult::Body, at(3), "it was body")
    );
    assert_eq!(probe.duration, Duration::from_millis(3));
    let slow = bench.live(SLOW);
    assert_eq!((slow.transitions_up, slow.transitions_down), (0, 0));
    assert_eq!(slow.since, at(0));
}

#[test]
fn reconcile_finds_the_latest_weight_however_late_it_looks() {
    let mut bench = Bench::new();
    for result in [ProbeResult::Ok, ProbeResult::Reset, ProbeResult::Ok] {
        bench.report(0, result);
    }
    assert_eq!(bench.wanted(), [(FAST, (5, None))].into());
    assert_eq!(bench.wanted(), BTreeMap::new());
}

#[test]
fn every_failure_but_this_hosts_own_speaks_against_the_real_server() {
    for result in ProbeResult::ALL {
        let mut bench = Bench::new();
        bench.report(0, result);
        let wanted = if result == ProbeResult::Ok {
            Health::Up
        } else if matches!(result, ProbeResult::Internal | ProbeResult::Unverified) {
            Health::Unknown
        } else {
            Health::Down
        };
        assert_eq!(bench.live(FAST).health, wanted, "{result:?}");
    }
}

#[test]
fn this_hosts_own_trouble_neither_counts_nor_breaks_a_row() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.report(0, ProbeResult::Internal);
    }
    assert_eq!(bench.health([FAST, SLOW]), [Health::Unknown; 2]);
    for _ in 0..2 {
        bench.report(0, ProbeResult::Ok);
        bench.report(0, ProbeResult::Internal);
    }
    assert_eq!(bench.health([FAST, SLOW]), [Health::Up; 2]);
    let live = bench.live(SLOW);
    assert_eq!(live.probes[ProbeResult::Internal.index()], 102);
    assert_eq!(live.last_probe.unwrap().result, ProbeResult::Internal);
    for _ in 0..100 {
        bench.report(0, ProbeResult::Internal);
    }
    assert_eq!(bench.health([FAST, SLOW]), [Health::Up; 2]);
}

#[test]
fn a_report_of_no_known_probe_is_nobodys() {
    let mut bench = Bench::new();
    bench.report(2, ProbeResult::Ok);
    bench.report(u32::MAX, ProbeResult::Ok);
    assert_eq!(bench.health([FAST, OTHER]), [Health::Unknown; 2]);
    assert_eq!(bench.wanted(), BTreeMap::new());
}

/// Where a test's log goes.
#[derive(Clone, Default)]
struct Written(Arc<Shared<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `work` logs, from INFO on, without their times.
fn logged(work: impl FnOnce()) -> Vec<String> {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(move || writer.clone())
        .finish();
    let _second = second_dispatch();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = written.0.lock().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| line.trim_start().to_owned())
        .collect()
}

#[test]
fn the_log_has_a_line_for_each_change() {
    let mut bench = Bench::new();
    let lines = logged(|| {
        for result in [ProbeResult::Ok, ProbeResult::Ok, ProbeResult::Refused] {
            bench.report(1, result);
        }
        bench.report(1, ProbeResult::Refused);
        bench.report(1, ProbeResult::Timeout);
        bench.report(1, ProbeResult::Timeout);
    });
    assert_eq!(
        lines,
        [
            "INFO real server up: 2 probes in a row passed service=\"slow\" \
             real_server=\"rs2\" from=unknown weight=1",
            "WARN real server down: 3 probes in a row failed, the last with: it was timeout \
             service=\"slow\" real_server=\"rs2\" from=up weight=0",
        ]
    );
}

#[test]
fn the_log_tells_when_probing_stops_and_when_it_goes_on() {
    let mut bench = Bench::new();
    let lines = logged(|| {
        for probe in [0, 1, 0, 1] {
            bench.report(probe, ProbeResult::Internal);
        }
        bench.report(0, ProbeResult::Status);
    });
    assert_eq!(
        lines[..1],
        [
            "WARN probes cannot be made: it was internal; no verdict changes for that \
             service=\"fast\" real_server=\"rs1\""
        ]
    );
    assert_eq!(
        lines.len(),
        3,
        "the others are of rs1 and its pool: {lines:?}"
    );
    let lines = logged(|| bench.report(1, ProbeResult::Refused));
    assert_eq!(
        lines,
        [
            "INFO probes can be made again, which was not so: it was internal \
             service=\"slow\" real_server=\"rs2\""
        ]
    );
    let lines = logged(|| bench.report(1, ProbeResult::Internal));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn the_most_urgent_real_server_sets_the_pace() {
    let mut bench = Bench::new();
    let pace = |bench: &Bench| bench.task.subscribers[&ProbeId(0)].pace.get();
    let steps = [
        (ProbeResult::Ok, Pace::Doubt),        // fast: up; slow: 1 of 2
        (ProbeResult::Ok, Pace::Steady),       // both up
        (ProbeResult::Internal, Pace::Steady), // says nothing
        (ProbeResult::Status, Pace::Doubt),    // fast: down; slow: 1 of 3
        (ProbeResult::Status, Pace::Doubt),
        (ProbeResult::Status, Pace::Down), // both down
        (ProbeResult::Ok, Pace::Doubt),
    ];
    for (result, expected) in steps {
        bench.report(0, result);
        assert_eq!(pace(&bench), expected, "after {result:?}");
    }
}

#[test]
fn a_new_subscriber_of_a_probe_that_stays_is_not_left_to_a_slow_pace() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.report(0, ProbeResult::Refused);
    }
    let cell = Arc::clone(&bench.task.subscribers[&ProbeId(0)].pace);
    assert_eq!(cell.get(), Pace::Down);

    let third = "
  - name: third
    address: 192.0.2.3:80
    check: { http: { host: site }, fall: 9 }
    real_servers: [{ name: rs1, address: 192.0.2.11 }]
";
    let config = Config::parse("cluster.yaml", &format!("{CLUSTER}{third}")).unwrap();
    let targets = probe_targets(&config);
    let probes = (0..).zip(&targets).map(|(n, _)| Probe {
        id: ProbeId(n),
        pace: if n == 0 {
            Arc::clone(&cell)
        } else {
            Arc::default()
        },
    });
    let probes = probes.collect();
    let names = config.virtual_services.iter().map(|service| &*service.name);
    let (done, _handover) = tokio::sync::oneshot::channel();
    let change = Change {
        probes: Subscriptions { probes, targets },
        found: Weights::new(),
        loaded_at: SystemTime::UNIX_EPOCH,
        metrics: Arc::new(Metrics::new(names).unwrap()),
        intent: Arc::default(),
        done,
        config: Arc::new(config),
    };
    bench.task.change_to(change, bench.start);
    assert_eq!(cell.get(), Pace::Doubt);
}

#[test]
fn advice_changes_the_weight_without_a_transition() {
    let mut bench = Bench::new();
    let half = Some(Advice::Percent(50));
    bench.report_with(0, ProbeResult::Ok, half);
    bench.report(0, ProbeResult::Ok);
    let both = [(FAST, (2, None)), (SLOW, (3, None))];
    assert_eq!(bench.wanted(), both.into(), "of 5 and of 7");
    bench.report_with(0, ProbeResult::Ok, half);
    assert_eq!(bench.wanted(), [].into());
    bench.report_with(0, ProbeResult::Ok, Some(Advice::Drain));
    let none = [(FAST, (0, None)), (SLOW, (0, None))];
    assert_eq!(bench.wanted(), none.into());
    assert_eq!(bench.health([FAST, SLOW]), [Health::Up, Health::Up]);
    assert_eq!(bench.live(SLOW).advised, Some(Weight::ZERO));
    bench.report_with(0, ProbeResult::Ok, Some(Advice::Ready));
    let whole = [(FAST, (5, None)), (SLOW, (7, None))];
    assert_eq!(bench.wanted(), whole.into());
    assert_eq!(bench.live(SLOW).advised, None);
    let same = Weight::new(7).unwrap();
    bench.report_with(0, ProbeResult::Ok, Some(Advice::Weight(same)));
    assert_eq!(
        bench.live(SLOW).advised,
        Some(same),
        "though it changes nothing"
    );
}

/// Takes over the same configuration with this put in place of that.
fn reload(bench: &mut Bench, this: &str, that: &str) {
    let text = CLUSTER.replace(this, that);
    assert!(this == that || text != CLUSTER);
    let config = Config::parse("cluster.yaml", &text).unwrap();
    let targets = probe_targets(&config);
    let probes = (0..).zip(&targets).map(|(n, _)| Probe {
        id: ProbeId(n),
        pace: Arc::default(),
    });
    let names = config.virtual_services.iter().map(|service| &*service.name);
    let (done, _handover) = tokio::sync::oneshot::channel();
    let change = Change {
        probes: Subscriptions {
            probes: probes.collect(),
            targets,
        },
        found: Weights::new(),
        loaded_at: SystemTime::UNIX_EPOCH,
        metrics: Arc::new(Metrics::new(names).unwrap()),
        intent: Arc::default(),
        done,
        config: Arc::new(config),
    };
    bench.task.change_to(change, bench.start);
}

#[test]
fn advice_is_shown_as_it_counts_after_a_reload() {
    let mut bench = Bench::new();
    bench.report_with(0, ProbeResult::Ok, Some(Advice::Percent(50)));
    assert_eq!(bench.live(FAST).advised, Weight::new(2));
    reload(&mut bench, "weight: 5", "weight: 8");
    assert_eq!(bench.live(FAST).advised, Weight::new(4));
    reload(
        &mut bench,
        "{ http: { host: site }, rise: 1",
        "{ tcp: {}, rise: 1",
    );
    assert_eq!(bench.live(FAST).advised, None, "another check asks anew");
}

#[test]
fn a_reload_moves_no_deadline_of_a_drain() {
    let mut bench = Bench::new();
    let udp = (
        "address: 192.0.2.2:80",
        "protocol: udp\n    address: 192.0.2.2:80",
    );
    reload(&mut bench, udp.0, udp.1);
    let after = |seconds| bench.start + Duration::from_secs(seconds);
    let deadline = DrainDeadline {
        until: after(7),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(7),
    };
    let (before, at) = (after(6), after(7));
    bench
        .task
        .set_admin(&[SLOW], AdminState::Draining, deadline);
    reload(&mut bench, udp.0, udp.1);
    bench.task.check_drains(before);
    let live = bench.live(SLOW);
    assert_eq!(
        (live.admin, live.drain_deadline),
        (AdminState::Draining, Some(deadline.at))
    );
    bench.task.check_drains(at);
    let live = bench.live(SLOW);
    assert_eq!(
        (live.admin, live.drain_deadline),
        (AdminState::Drained, None)
    );
}

#[test]
fn nothing_is_drained_before_the_kernel_has_its_weight_of_0() {
    let mut bench = Bench::new();
    let never = DrainDeadline {
        until: bench.start,
        at: SystemTime::UNIX_EPOCH,
    };
    bench.task.set_admin(&[SLOW], AdminState::Draining, never);
    let mut admin_with = |kernel, connections_known, active| {
        {
            let (_, record) = bench.task.snapshot.records(SLOW).unwrap();
            let mut live = record.live.lock();
            live.kernel = kernel;
            live.connections_known = connections_known;
            live.connections.active = active;
        }
        bench
            .task
            .check_drains(bench.start + Duration::from_hours(1));
        bench.live(SLOW).admin
    };
    let (one, none) = (Some(Weight::ONE), Some(Weight::ZERO));
    assert_eq!(admin_with(one, true, 0), AdminState::Draining);
    assert_eq!(admin_with(none, false, 0), AdminState::Draining);
    assert_eq!(admin_with(none, true, 1), AdminState::Draining);
    assert_eq!(admin_with(none, true, 0), AdminState::Drained);
}

#[test]
fn one_that_is_new_begins_with_what_the_same_probe_has_shown_elsewhere() {
    let moved = |bench: &mut Bench, service: &str| {
        let (this, that) = (format!("{service}:80"), format!("{service}7:80"));
        reload(bench, &this, &that);
        let changes = bench.task.weights();
        changes
            .values()
            .map(|weight| weight.get())
            .collect::<Vec<_>>()
    };
    // `slow` asks for two passes, `fast` for one.
    let mut bench = Bench::new();
    bench.report(0, ProbeResult::Ok);
    assert_eq!(moved(&mut bench, "192.0.2.2"), [5, 0, 0]);
    assert_eq!(bench.health([FAST, SLOW]), [Health::Up, Health::Unknown]);
    bench.report(0, ProbeResult::Ok);
    assert_eq!(bench.live(SLOW).health, Health::Up, "the first pass counts");

    let mut bench = Bench::new();
    bench.report(0, ProbeResult::Ok);
    bench.report(0, ProbeResult::Ok);
    assert_eq!(moved(&mut bench, "192.0.2.2"), [5, 7, 0]);
    assert_eq!(bench.health([SLOW, OTHER]), [Health::Up, Health::Unknown]);
    assert_eq!(bench.live(SLOW).last_probe.unwrap().detail, "it was ok");

    let mut bench = Bench::new();
    bench.report(0, ProbeResult::Ok);
    bench.report(0, ProbeResult::Status);
    assert_eq!(moved(&mut bench, "192.0.2.1"), [0, 0, 0]);
    assert_eq!(bench.health([FAST, SLOW]), [Health::Down, Health::Unknown]);
}

#[test]
fn what_leaves_is_replaced_once_each_has_a_verdict_and_one_serves() {
    let mut bench = Bench::new();
    let slow = "tcp 192.0.2.2:80".parse().unwrap();
    let replaced = |bench: &Bench| bench.task.intent.is_replaced(&slow);
    assert!(!replaced(&bench));
    for _ in 0..2 {
        bench.report(0, ProbeResult::Ok);
    }
    assert!(!replaced(&bench), "rs2 has no verdict");
    for _ in 0..3 {
        bench.report(1, ProbeResult::Refused);
    }
    assert!(replaced(&bench));
    for _ in 0..3 {
        bench.report(0, ProbeResult::Refused);
    }
    assert!(!replaced(&bench), "nobody serves");
}
