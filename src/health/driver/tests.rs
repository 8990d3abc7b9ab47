use std::collections::BTreeMap;
use std::io;
use std::time::{Instant, SystemTime};

use super::*;
use crate::health::WeightChange;
use crate::model::{DestinationLoad, Health, ProbeResult, Weight};
use crate::probe::{ProbeRate, WeightAdvice};
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

struct Fixture {
    driver: Driver,
    start: Instant,
    reported: u64,
}

impl Fixture {
    fn new() -> Self {
        let config = Config::parse("cluster.yaml", CLUSTER).unwrap();
        let (driver, targets) = fixture::driver(&config);
        assert_eq!(targets.len(), 2, "rs1 is probed once for both services");
        assert_eq!(targets[0].subscribers, [FAST, SLOW]);
        Self {
            driver,
            start: clock::monotonic(),
            reported: 0,
        }
    }

    /// The next probe, a second after the one before.
    fn report(&mut self, probe: u32, result: ProbeResult) {
        self.report_with(probe, result, None);
    }

    fn report_with(&mut self, probe: u32, result: ProbeResult, advice: Option<WeightAdvice>) {
        self.reported += 1;
        let since = Duration::from_secs(self.reported);
        let mut report = fixture::report(ProbeId(probe), result);
        report.outcome.detail = format!("it was {}", result.as_str());
        report.outcome.duration = Duration::from_millis(3);
        report.outcome.advice = advice;
        report.started = self.start + since;
        report.at = SystemTime::UNIX_EPOCH + since;
        let input = Input::ProbeReport(Arc::new(report));
        self.driver.handle(input, self.start + since);
    }

    fn drain(&mut self, id: RealServerId, deadline: DrainDeadline) {
        let input = Input::SetAdmin {
            real_servers: vec![id],
            admin: AdminState::Draining,
            deadline,
            decision: Decision::default(),
        };
        self.driver.handle(input, self.start);
    }

    fn live(&self, id: RealServerId) -> crate::status::RealServerLive {
        let (_, record) = self.driver.snapshot.records(id).unwrap();
        record.live.lock().clone()
    }

    fn health(&self, ids: [RealServerId; 2]) -> [Health; 2] {
        ids.map(|id| self.live(id).health)
    }

    /// Weights that reconcile would find, and the second of the first failure.
    fn wanted(&self) -> BTreeMap<RealServerId, (u32, Option<u64>)> {
        let changes = self.driver.weight_updates.take();
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
fn one_report_reaches_all_subscribers_and_each_counts_for_itself() {
    let mut fixture = Fixture::new();
    fixture.report(0, ProbeResult::Ok);
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Up, Health::Unknown]);
    assert_eq!(fixture.wanted(), [(FAST, (5, None))].into());

    fixture.report(0, ProbeResult::Ok);
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Up, Health::Up]);
    assert_eq!(
        fixture.wanted(),
        [(SLOW, (7, None))].into(),
        "each its own weight, and only what changed"
    );

    fixture.report(0, ProbeResult::Status);
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Down, Health::Up]);
    assert_eq!(fixture.wanted(), [(FAST, (0, Some(3)))].into());
    fixture.report(0, ProbeResult::Timeout);
    assert_eq!(fixture.live(SLOW).health, Health::Up, "two of three");
    fixture.report(0, ProbeResult::Refused);
    assert_eq!(fixture.live(SLOW).health, Health::Down);
    assert_eq!(fixture.wanted(), [(SLOW, (0, Some(3)))].into());
    assert_eq!(fixture.live(OTHER).health, Health::Unknown);
    assert!(fixture.live(OTHER).last_probe.is_none());
}

#[test]
fn record_shows_the_newest_probe_and_the_newest_transition() {
    let mut fixture = Fixture::new();
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    for result in [ProbeResult::Ok, ProbeResult::Body, ProbeResult::Body] {
        fixture.report(0, result);
    }
    let live = fixture.live(FAST);
    assert_eq!(live.since, at(2), "the second failure changed nothing");
    assert_eq!(
        (
            live.counters.transitions_up(),
            live.counters.transitions_down()
        ),
        (1, 1)
    );
    let first = live.counters.first_counted();
    let after = |second| at(second) + Duration::from_millis(3);
    assert_eq!((first.up, first.down), (Some(at(1)), Some(at(2))));
    assert_eq!(
        (first.passed, first.failed),
        (Some(after(1)), Some(after(2))),
        "the ends of the probes"
    );
    assert_eq!(live.counters.probes()[ProbeResult::Ok.index()], 1);
    assert_eq!(live.counters.probes()[ProbeResult::Body.index()], 2);
    let probe = live.last_probe.unwrap();
    assert_eq!(
        (probe.result, probe.at, &*probe.detail),
        (ProbeResult::Body, at(3), "it was body")
    );
    assert_eq!(probe.duration, Duration::from_millis(3));
    let slow = fixture.live(SLOW);
    assert_eq!(
        (
            slow.counters.transitions_up(),
            slow.counters.transitions_down()
        ),
        (0, 0)
    );
    assert_eq!(slow.since, at(0));
}

#[test]
fn reconcile_finds_the_latest_weight_however_late_it_looks() {
    let mut fixture = Fixture::new();
    for result in [ProbeResult::Ok, ProbeResult::Reset, ProbeResult::Ok] {
        fixture.report(0, result);
    }
    assert_eq!(fixture.wanted(), [(FAST, (5, None))].into());
    assert_eq!(fixture.wanted(), BTreeMap::new());
}

#[test]
fn every_failure_but_a_local_one_counts_against_the_real_server() {
    for result in ProbeResult::ALL {
        let mut fixture = Fixture::new();
        fixture.report(0, result);
        let wanted = if result == ProbeResult::Ok {
            Health::Up
        } else if matches!(result, ProbeResult::Internal | ProbeResult::Unverified) {
            Health::Unknown
        } else {
            Health::Down
        };
        assert_eq!(fixture.live(FAST).health, wanted, "{result:?}");
    }
}

#[test]
fn local_failure_neither_counts_nor_breaks_a_streak() {
    let mut fixture = Fixture::new();
    for _ in 0..100 {
        fixture.report(0, ProbeResult::Internal);
    }
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Unknown; 2]);
    for _ in 0..2 {
        fixture.report(0, ProbeResult::Ok);
        fixture.report(0, ProbeResult::Internal);
    }
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Up; 2]);
    let live = fixture.live(SLOW);
    assert_eq!(live.counters.probes()[ProbeResult::Internal.index()], 102);
    assert_eq!(live.last_probe.unwrap().result, ProbeResult::Internal);
    for _ in 0..100 {
        fixture.report(0, ProbeResult::Internal);
    }
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Up; 2]);
}

#[test]
fn report_of_an_unknown_probe_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.report(2, ProbeResult::Ok);
    fixture.report(u32::MAX, ProbeResult::Ok);
    assert_eq!(fixture.health([FAST, OTHER]), [Health::Unknown; 2]);
    assert_eq!(fixture.wanted(), BTreeMap::new());
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
fn log_has_a_line_for_each_transition() {
    let mut fixture = Fixture::new();
    let lines = logged(|| {
        for result in [ProbeResult::Ok, ProbeResult::Ok, ProbeResult::Refused] {
            fixture.report(1, result);
        }
        fixture.report(1, ProbeResult::Refused);
        fixture.report(1, ProbeResult::Timeout);
        fixture.report(1, ProbeResult::Timeout);
    });
    assert_eq!(
        lines,
        [
            "INFO real server up service=\"slow\" real_server=\"rs2\" from=unknown weight=1 \
             reason=\"2 probes in a row passed\"",
            "WARN real server down service=\"slow\" real_server=\"rs2\" from=up weight=0 \
             reason=\"3 probes in a row failed, the last with: it was timeout\"",
        ]
    );
}

#[test]
fn scheduler_that_refuses_the_clients_of_a_real_server_that_is_down_is_logged() {
    let warnings = |scheduler: &str| {
        let mut fixture = Fixture::new();
        let address = "    address: 192.0.2.2:80\n";
        reload(&mut fixture, address, &format!("{address}{scheduler}"));
        let lines = logged(|| {
            for result in [ProbeResult::Ok, ProbeResult::Ok] {
                fixture.report(0, result);
                fixture.report(1, result);
            }
            for _ in 0..3 {
                fixture.report(1, ProbeResult::Refused);
            }
        });
        let refused = lines.into_iter().filter(|line| {
            line.starts_with("WARN the scheduler refuses the clients of this real server")
                && line.contains("service=\"slow\" real_server=\"rs2\"")
        });
        refused.count()
    };
    assert_eq!(warnings("    scheduler: wlc\n"), 0);
    assert_eq!(warnings("    scheduler: sh\n"), 1);
    let with_fallback = "    scheduler: sh\n    scheduler_flags: [fallback]\n";
    assert_eq!(warnings(with_fallback), 0);
}

#[test]
fn transitions_are_recorded_with_the_newest_first_through_a_reload() {
    let mut fixture = Fixture::new();
    for result in [ProbeResult::Ok, ProbeResult::Ok, ProbeResult::Refused] {
        fixture.report(0, result);
    }
    fixture.drain(
        SLOW,
        DrainDeadline {
            until: fixture.start,
            at: SystemTime::UNIX_EPOCH,
        },
    );
    reload(&mut fixture, "weight: 5", "weight: 8");
    let transitions = fixture.driver.snapshot.transitions.list().into_iter();
    let transitions = transitions.map(|one| {
        let second = one.at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let names = format!("{}/{}", one.service, one.real_server);
        (second.as_secs(), names, one.to, one.reason)
    });
    let record =
        |second, names: &str, to, reason: &str| (second, names.to_owned(), to, reason.to_owned());
    let failed = "1 probe failed, the last with: it was refused";
    assert_eq!(
        transitions.collect::<Vec<_>>(),
        [
            record(3, "fast/rs1", Health::Down, failed),
            record(2, "slow/rs1", Health::Up, "2 probes in a row passed"),
            record(1, "fast/rs1", Health::Up, "1 probe passed"),
        ]
    );
}

#[test]
fn log_has_a_line_when_probing_fails_and_when_it_works_again() {
    let mut fixture = Fixture::new();
    let lines = logged(|| {
        for probe in [0, 1, 0, 1] {
            fixture.report(probe, ProbeResult::Internal);
        }
        fixture.report(0, ProbeResult::Status);
    });
    assert_eq!(
        lines[..1],
        [
            "WARN probes cannot be made; health stays as it is service=\"fast\" \
             real_server=\"rs1\" reason=\"it was internal\""
        ]
    );
    assert_eq!(
        lines.len(),
        3,
        "the others are of rs1 and its pool: {lines:?}"
    );
    let lines = logged(|| fixture.report(1, ProbeResult::Refused));
    assert_eq!(
        lines,
        [
            "INFO probes can be made again service=\"slow\" real_server=\"rs2\" \
             reason=\"it was internal\""
        ]
    );
    let lines = logged(|| fixture.report(1, ProbeResult::Internal));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn most_urgent_real_server_sets_the_probe_rate() {
    let mut fixture = Fixture::new();
    let pace = |fixture: &Fixture| fixture.driver.rates[&ProbeId(0)].get();
    let steps = [
        (ProbeResult::Ok, ProbeRate::Fast),   // fast: up; slow: 1 of 2
        (ProbeResult::Ok, ProbeRate::Normal), // both up
        (ProbeResult::Internal, ProbeRate::Normal), // says nothing
        (ProbeResult::Status, ProbeRate::Fast), // fast: down; slow: 1 of 3
        (ProbeResult::Status, ProbeRate::Fast),
        (ProbeResult::Status, ProbeRate::Down), // both down
        (ProbeResult::Ok, ProbeRate::Fast),
    ];
    for (result, expected) in steps {
        fixture.report(0, result);
        assert_eq!(pace(&fixture), expected, "after {result:?}");
    }
}

#[test]
fn new_subscriber_of_a_kept_probe_raises_its_rate() {
    let mut fixture = Fixture::new();
    for _ in 0..3 {
        fixture.report(0, ProbeResult::Refused);
    }
    let cell = Arc::clone(&fixture.driver.rates[&ProbeId(0)]);
    assert_eq!(cell.get(), ProbeRate::Down);

    let third = "
  - name: third
    address: 192.0.2.3:80
    check: { http: { host: site }, fall: 9 }
    real_servers: [{ name: rs1, address: 192.0.2.11 }]
";
    let config = Config::parse("cluster.yaml", &format!("{CLUSTER}{third}")).unwrap();
    let probes = fixture::subscriptions(&config, |id| {
        if id == ProbeId(0) {
            Arc::clone(&cell)
        } else {
            Arc::default()
        }
    });
    let names = config.virtual_services.iter().map(|service| &*service.name);
    let (done, _result) = tokio::sync::oneshot::channel();
    let change = HealthReload {
        probes,
        found: Weights::new(),
        loaded_at: SystemTime::UNIX_EPOCH,
        metrics: Arc::new(Metrics::new(names).unwrap()),
        weight_updates: Arc::default(),
        done,
        config: Arc::new(config),
    };
    fixture.driver.change_to(change, fixture.start);
    assert_eq!(cell.get(), ProbeRate::Fast);
}

#[test]
fn advice_changes_the_weight_without_a_transition() {
    let mut fixture = Fixture::new();
    let half = Some(WeightAdvice::Percent(50));
    fixture.report_with(0, ProbeResult::Ok, half);
    fixture.report(0, ProbeResult::Ok);
    let both = [(FAST, (2, None)), (SLOW, (3, None))];
    assert_eq!(fixture.wanted(), both.into(), "of 5 and of 7");
    fixture.report_with(0, ProbeResult::Ok, half);
    assert_eq!(fixture.wanted(), [].into());
    fixture.report_with(0, ProbeResult::Ok, Some(WeightAdvice::Drain));
    let none = [(FAST, (0, None)), (SLOW, (0, None))];
    assert_eq!(fixture.wanted(), none.into());
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Up, Health::Up]);
    assert_eq!(fixture.live(SLOW).advised, Some(Weight::ZERO));
    fixture.report_with(0, ProbeResult::Ok, Some(WeightAdvice::Ready));
    let whole = [(FAST, (5, None)), (SLOW, (7, None))];
    assert_eq!(fixture.wanted(), whole.into());
    assert_eq!(fixture.live(SLOW).advised, None);
    let same = Weight::new(7).unwrap();
    fixture.report_with(0, ProbeResult::Ok, Some(WeightAdvice::Weight(same)));
    assert_eq!(
        fixture.live(SLOW).advised,
        Some(same),
        "though it changes nothing"
    );
}

/// Takes over the same configuration with this put in place of that.
fn reload(fixture: &mut Fixture, this: &str, that: &str) -> ReloadResult {
    let text = CLUSTER.replace(this, that);
    assert!(this == that || text != CLUSTER);
    let config = Config::parse("cluster.yaml", &text).unwrap();
    fixture::reload(&mut fixture.driver, &config, fixture.start)
}

/// Of rs1 in `slow`, which goes down after 3 failures.
#[test]
fn reload_that_changes_only_timing_rise_or_fall_keeps_the_failures_counted() {
    let fall = "rise: 2, fall: 3";
    for (that, needed) in [
        ("rise: 2, fall: 4", 2),
        ("rise: 2, fall: 3, timeout: 2s, interval: 3s", 1),
        ("rise: 2, fall: 2", 1),
        ("rise: 2, fall: 1", 1),
        ("rise: 5, fall: 3", 1),
    ] {
        let mut fixture = Fixture::new();
        for result in [ProbeResult::Ok, ProbeResult::Ok] {
            fixture.report(0, result);
        }
        assert_eq!(fixture.live(SLOW).health, Health::Up);
        fixture.report(0, ProbeResult::Refused);
        fixture.report(0, ProbeResult::Refused);
        reload(&mut fixture, fall, that);
        let text = CLUSTER.replace(fall, that);
        let config = Config::parse("cluster.yaml", &text).unwrap();
        let targets = crate::probe::probe_targets(&config);
        let speaks_of_slow = |target: &ProbeTarget| target.subscribers.contains(&SLOW);
        let probe = targets.iter().position(speaks_of_slow).unwrap();
        for probed in 1..=needed {
            assert_eq!(fixture.live(SLOW).health, Health::Up, "{that}: {probed}");
            fixture.report(probe.try_into().unwrap(), ProbeResult::Refused);
        }
        assert_eq!(fixture.live(SLOW).health, Health::Down, "{that}");
    }
}

#[test]
fn advice_is_shown_as_it_counts_after_a_reload() {
    let mut fixture = Fixture::new();
    fixture.report_with(0, ProbeResult::Ok, Some(WeightAdvice::Percent(50)));
    assert_eq!(fixture.live(FAST).advised, Weight::new(2));
    reload(&mut fixture, "weight: 5", "weight: 8");
    assert_eq!(fixture.live(FAST).advised, Weight::new(4));
    reload(
        &mut fixture,
        "{ http: { host: site }, rise: 1",
        "{ tcp: {}, rise: 1",
    );
    assert_eq!(fixture.live(FAST).advised, None, "another check asks anew");
}

#[test]
fn reload_keeps_the_deadline_of_a_drain() {
    let mut fixture = Fixture::new();
    let udp = (
        "address: 192.0.2.2:80",
        "protocol: udp\n    address: 192.0.2.2:80",
    );
    reload(&mut fixture, udp.0, udp.1);
    let after = |seconds| fixture.start + Duration::from_secs(seconds);
    let deadline = DrainDeadline {
        until: after(7),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(7),
    };
    let (before, at) = (after(6), after(7));
    fixture.drain(SLOW, deadline);
    reload(&mut fixture, udp.0, udp.1);
    fixture.driver.handle(Input::Tick, before);
    let live = fixture.live(SLOW);
    assert_eq!(
        (live.admin, live.drain_deadline),
        (AdminState::Draining, Some(deadline.at))
    );
    fixture.driver.handle(Input::Tick, at);
    let live = fixture.live(SLOW);
    assert_eq!(
        (live.admin, live.drain_deadline),
        (AdminState::Drained, None)
    );
}

#[test]
fn nothing_is_drained_before_the_kernel_shows_weight_0_and_no_connection() {
    let mut fixture = Fixture::new();
    let start = fixture.start;
    let mut ids = fixture.driver.snapshot.ids();
    let (key, _) = ids.find(|(_, id)| *id == SLOW).unwrap();
    drop(ids);
    let never = DrainDeadline {
        until: fixture.start,
        at: SystemTime::UNIX_EPOCH,
    };
    fixture.drain(SLOW, never);
    let hour = start + Duration::from_hours(1);
    let mut admin_with = |read_at, weight: Option<Weight>, active_connections| {
        let load = weight.map(|weight| DestinationLoad {
            weight,
            active_connections,
        });
        let loads = Loads {
            read_at,
            loads: [(key, load)].into(),
        };
        fixture.driver.handle(Input::Loads(loads), hour);
        fixture.driver.handle(Input::Tick, hour);
        fixture.live(SLOW).admin
    };
    let before = start.checked_sub(Duration::from_secs(1)).unwrap();
    let (one, zero) = (Some(Weight::ONE), Some(Weight::ZERO));
    assert_eq!(admin_with(start, one, 0), AdminState::Draining);
    assert_eq!(admin_with(start, None, 0), AdminState::Draining);
    assert_eq!(admin_with(start, zero, 1), AdminState::Draining);
    assert_eq!(
        admin_with(before, zero, 0),
        AdminState::Draining,
        "read before the drain began"
    );
    assert_eq!(admin_with(start, zero, 0), AdminState::Drained);
}

#[test]
fn drain_is_answered_when_the_drain_is_shown() {
    let mut fixture = Fixture::new();
    let (done, mut decided) = oneshot::channel();
    let request = HealthRequest::SetAdmin {
        real_servers: vec![SLOW],
        admin: AdminState::Draining,
        deadline: DrainDeadline {
            until: fixture.start,
            at: SystemTime::UNIX_EPOCH,
        },
        decision: Decision::default(),
        done,
    };
    fixture.driver.answer(request, fixture.start);
    assert_eq!(decided.try_recv(), Ok([1].into()), "nobody else serves");
    assert_eq!(fixture.live(SLOW).admin, AdminState::Draining);
    assert!(fixture.driver.weight_updates.draining().contains(&SLOW));
}

#[test]
fn new_real_server_begins_with_what_the_same_probe_has_shown_in_another_service() {
    let moved = |fixture: &mut Fixture, service: &str| {
        let (this, that) = (format!("{service}:80"), format!("{service}7:80"));
        let result = reload(fixture, &this, &that);
        result
            .weights
            .values()
            .map(|weight| weight.get())
            .collect::<Vec<_>>()
    };
    // `slow` asks for two passes, `fast` for one.
    let mut fixture = Fixture::new();
    fixture.report(0, ProbeResult::Ok);
    assert_eq!(moved(&mut fixture, "192.0.2.2"), [5, 0, 0]);
    assert_eq!(fixture.health([FAST, SLOW]), [Health::Up, Health::Unknown]);
    fixture.report(0, ProbeResult::Ok);
    assert_eq!(
        fixture.live(SLOW).health,
        Health::Up,
        "the first pass counts"
    );

    let mut fixture = Fixture::new();
    fixture.report(0, ProbeResult::Ok);
    fixture.report(0, ProbeResult::Ok);
    assert_eq!(moved(&mut fixture, "192.0.2.2"), [5, 7, 0]);
    assert_eq!(fixture.health([SLOW, OTHER]), [Health::Up, Health::Unknown]);
    assert_eq!(fixture.live(SLOW).last_probe.unwrap().detail, "it was ok");

    let mut fixture = Fixture::new();
    fixture.report(0, ProbeResult::Ok);
    fixture.report(0, ProbeResult::Status);
    assert_eq!(moved(&mut fixture, "192.0.2.1"), [0, 0, 0]);
    assert_eq!(
        fixture.health([FAST, SLOW]),
        [Health::Down, Health::Unknown]
    );
}

#[test]
fn removed_real_server_is_replaced_once_all_others_have_a_verdict_and_one_serves() {
    let mut fixture = Fixture::new();
    let slow = "tcp 192.0.2.2:80".parse().unwrap();
    let replaced = |fixture: &Fixture| fixture.driver.weight_updates.is_replaced(&slow);
    assert!(!replaced(&fixture));
    for _ in 0..2 {
        fixture.report(0, ProbeResult::Ok);
    }
    assert!(!replaced(&fixture), "rs2 has no verdict");
    for _ in 0..3 {
        fixture.report(1, ProbeResult::Refused);
    }
    assert!(replaced(&fixture));
    for _ in 0..3 {
        fixture.report(0, ProbeResult::Refused);
    }
    assert!(!replaced(&fixture), "nobody serves");
}

#[test]
fn weight_that_an_operator_sets_is_shown_with_who_set_it_and_a_restart_is_no_new_one() {
    let mut fixture = Fixture::new();
    fixture.report(0, ProbeResult::Ok);
    fixture.driver.weight_updates.take();
    let decision = Decision {
        since: Some(SystemTime::UNIX_EPOCH),
        by: Some("root (uid 0)".into()),
        reason: None,
    };
    let weight = OperatorWeight {
        set: "40%".parse().unwrap(),
        decision: decision.clone(),
    };
    let (done, mut decided) = oneshot::channel();
    let set = |set, done| HealthRequest::SetWeight {
        real_servers: vec![FAST],
        weight: set,
        decision: decision.clone(),
        done,
    };
    let request = set(Some(weight.set), done);
    fixture.driver.answer(request, fixture.start);
    assert_eq!(decided.try_recv(), Ok([].into()), "it serves");
    assert_eq!(fixture.wanted(), [(FAST, (2, None))].into());
    assert_eq!(fixture.live(FAST).operator_weight.as_deref(), Some(&weight));
    let reloaded = reload(&mut fixture, "weight: 5", "weight: 10");
    let fast = reloaded.weights.values().next();
    assert_eq!(fast.copied(), Weight::new(4), "40% of the new weight");
    assert_eq!(fixture.live(FAST).operator_weight.as_deref(), Some(&weight));
    let (done, mut decided) = oneshot::channel();
    let request = set(Some("0".parse().unwrap()), done);
    fixture.driver.answer(request, fixture.start);
    assert_eq!(decided.try_recv(), Ok([0].into()), "nobody serves");
    let (done, _) = oneshot::channel();
    let request = set(None, done);
    fixture.driver.answer(request, fixture.start);
    assert_eq!(fixture.live(FAST).operator_weight, None);

    let Fixture { driver, .. } = Fixture::new();
    let keys: BTreeMap<_, _> = driver.snapshot.ids().map(|(key, id)| (id, key)).collect();
    let (fast, slow) = (keys[&FAST], keys[&SLOW]);
    let deadline = DrainDeadline {
        until: clock::monotonic(),
        at: SystemTime::UNIX_EPOCH,
    };
    let driver = driver.with_decisions(
        |key| (*key == slow).then(|| (deadline, decision.clone())),
        |key| (*key == fast).then(|| weight.clone()),
    );
    let live = |id| {
        let (_, record) = driver.snapshot.records(id).unwrap();
        record.live.lock().clone()
    };
    assert_eq!(live(FAST).operator_weight.as_deref(), Some(&weight));
    assert_eq!(live(FAST).admin, AdminState::Enabled);
    assert_eq!(live(SLOW).operator_weight, None);
    assert_eq!(live(SLOW).admin, AdminState::Draining);
    assert_eq!(live(SLOW).decision.as_deref(), Some(&decision));
}

fn parsed(text: &str) -> Config {
    Config::parse("cluster.yaml", text).unwrap()
}

#[test]
fn connection_that_is_no_longer_watched_is_not_shown_after_a_reload() {
    let mut fixture = Fixture::new();
    let snapshot = Arc::clone(&fixture.driver.snapshot);
    let (_, record) = snapshot.records(FAST).unwrap();
    record.live.lock().watching = Some(Arc::default());
    fixture::reload(&mut fixture.driver, &parsed(CLUSTER), fixture.start);
    assert!(fixture.live(FAST).watching.is_none());
}

#[test]
fn advice_that_stays_is_shown_after_a_reload_and_advice_of_another_check_is_not() {
    let mut fixture = Fixture::new();
    let half = Some(WeightAdvice::Percent(50));
    fixture.report_with(0, ProbeResult::Ok, half);
    let shown = fixture.live(FAST).advised;
    assert!(shown.is_some());
    fixture::reload(&mut fixture.driver, &parsed(CLUSTER), fixture.start);
    assert_eq!(fixture.live(FAST).advised, shown);
    let other = CLUSTER.replace("http: {", "https: {");
    fixture::reload(&mut fixture.driver, &parsed(&other), fixture.start);
    assert_eq!(fixture.live(FAST).advised, None);
}
