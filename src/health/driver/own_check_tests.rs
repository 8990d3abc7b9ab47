//! Real servers with a check of their own, and with `check: none`.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::diagnosis::PathResult;
use crate::model::{Diagnosis, Health, ProbeResult, Weight};
use crate::reconcile::captured_log::CapturedLog;
use crate::status::RealServerLive;

/// rs1 has the service's check, rs2 its own, and nothing checks rs3.
const MIXED: &str = "
virtual_services:
  - name: web
    address: 192.0.2.1:80
    check: { http: { host: site }, rise: 1, fall: 1 }
    real_servers:
      - { name: rs1, address: 192.0.2.11, weight: 5 }
      - { name: rs2, address: 192.0.2.12, weight: 6, check: { tcp: {}, rise: 3, fall: 2 } }
      - { name: rs3, address: 192.0.2.13, weight: 7, check: none }
";

/// Nothing is checked.
const NONE: &str = "
virtual_services:
  - name: web
    address: 192.0.2.1:80
    check: none
    slow_start: 14s
    sorry_server: { address: 192.0.2.19 }
    real_servers:
      - { name: rs1, address: 192.0.2.11, weight: 80 }
";

const fn id(real_server: u32) -> RealServerId {
    RealServerId {
        service: 0,
        real_server,
    }
}

struct World {
    driver: Driver,
    targets: Vec<ProbeTarget>,
    start: Instant,
    elapsed: Duration,
}

impl World {
    fn new(text: &str) -> Self {
        let config = Config::parse("cluster.yaml", text).unwrap();
        let (driver, targets) = fixture::driver(&config);
        Self {
            driver,
            targets,
            start: clock::monotonic(),
            elapsed: Duration::ZERO,
        }
    }

    fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    fn after(&mut self, seconds: u64) -> Vec<(u32, u32)> {
        self.elapsed += Duration::from_secs(seconds);
        let now = self.now();
        self.driver.handle(Input::Tick, now);
        self.written()
    }

    /// The weights that reconcile finds, by the number of the real server.
    fn written(&self) -> Vec<(u32, u32)> {
        let changes = self.driver.weight_updates.take().into_iter();
        let written = changes.map(|(id, change)| (id.real_server, change.weight.get()));
        written.collect()
    }

    /// A probe of the real server, a second after the one before.
    fn probe(&mut self, real_server: u32, result: ProbeResult) -> Vec<(u32, u32)> {
        self.elapsed += Duration::from_secs(1);
        let number = self
            .targets
            .iter()
            .position(|target| target.subscribers.contains(&id(real_server)))
            .expect("the real server is probed");
        let mut report = fixture::report(ProbeId(u32::try_from(number).unwrap()), result);
        let passes = result == ProbeResult::Ok;
        report.outcome.plain = Some(if passes {
            PathResult::Passed
        } else {
            PathResult::Refused
        });
        report.started = self.now();
        let now = self.now();
        self.driver
            .handle(Input::ProbeReport(Arc::new(report)), now);
        self.written()
    }

    fn reload(&mut self, text: &str) -> ReloadResult {
        let config = Config::parse("cluster.yaml", text).unwrap();
        let now = self.now();
        let result = fixture::reload(&mut self.driver, &config, now);
        self.targets = crate::probe::probe_targets(&config);
        result
    }

    fn live(&self, real_server: u32) -> RealServerLive {
        let (_, record) = self.driver.snapshot.records(id(real_server)).unwrap();
        record.live.lock().clone()
    }

    fn admin(&mut self, real_server: u32, admin: AdminState) -> Vec<(u32, u32)> {
        let input = Input::SetAdmin {
            real_servers: vec![id(real_server)],
            admin,
            deadline: DrainDeadline {
                until: self.now() + Duration::from_mins(1),
                at: SystemTime::UNIX_EPOCH,
            },
            decision: Decision::default(),
        };
        let now = self.now();
        self.driver.handle(input, now);
        self.written()
    }
}

#[test]
fn each_real_server_follows_its_own_rise_and_fall() {
    let mut world = World::new(MIXED);
    assert_eq!(world.targets.len(), 2, "rs3 is not probed");
    world.after(0);
    assert_eq!(world.probe(0, ProbeResult::Ok), [(0, 5)]);
    assert_eq!(world.probe(1, ProbeResult::Ok), []);
    assert_eq!(world.probe(1, ProbeResult::Ok), []);
    assert_eq!(world.probe(1, ProbeResult::Ok), [(1, 6)]);
    assert_eq!(world.probe(0, ProbeResult::Refused), [(0, 0)]);
    assert_eq!(world.probe(1, ProbeResult::Refused), []);
    assert_eq!(world.probe(1, ProbeResult::Refused), [(1, 0)]);
}

#[test]
fn damping_doubles_the_rise_of_each_real_servers_own_check() {
    let mut world = World::new(MIXED);
    for _ in 0..2 {
        for _ in 0..3 {
            world.probe(1, ProbeResult::Ok);
        }
        world.probe(1, ProbeResult::Refused);
        world.probe(1, ProbeResult::Refused);
    }
    let changes: Vec<_> = (0..6).map(|_| world.probe(1, ProbeResult::Ok)).collect();
    let (last, before) = changes.split_last().unwrap();
    assert!(before.iter().all(Vec::is_empty), "{changes:?}");
    assert_eq!(*last, [(1, 6)]);
}

#[test]
fn real_server_without_a_check_is_up_from_the_start() {
    let mut world = World::new(MIXED);
    let live = world.live(2);
    assert_eq!(live.health, Health::Up);
    assert_eq!(
        (
            live.counters.transitions_up(),
            live.counters.transitions_down()
        ),
        (0, 0)
    );
    assert_eq!(world.after(0), [(2, 7)]);
    assert_eq!(world.live(0).health, Health::Unknown);
    assert_eq!(world.live(2).last_probe.map(|probe| probe.detail), None);
}

#[test]
fn drain_set_weight_and_freeze_work_without_a_check() {
    let mut world = World::new(MIXED);
    world.after(0);
    assert_eq!(world.admin(2, AdminState::Draining), [(2, 0)]);
    assert_eq!(world.admin(2, AdminState::Enabled), [(2, 7)]);
    let weight = Some(SetWeight::Percent(50));
    let input = Input::SetWeight {
        real_servers: vec![id(2)],
        weight,
        decision: Decision::default(),
        is_new: true,
    };
    let now = world.now();
    world.driver.handle(input, now);
    assert_eq!(world.written(), [(2, 3)]);
    let freeze = |reason| Input::Link(reason);
    world.driver.handle(freeze(Some(FreezeReason::Link)), now);
    world.driver.handle(
        Input::SetWeight {
            real_servers: vec![id(2)],
            weight: None,
            decision: Decision::default(),
            is_new: true,
        },
        now,
    );
    assert_eq!(world.written(), [], "frozen");
    world.driver.handle(freeze(None), now);
    assert_eq!(world.written(), [(2, 7)]);
}

#[test]
fn pool_without_any_check_serves_and_starts_slowly() {
    let mut world = World::new(NONE);
    assert!(world.targets.is_empty());
    assert_eq!(world.after(0), [(0, 10)]);
    let seen: Vec<_> = (0..20).flat_map(|_| world.after(1)).collect();
    let last = seen.last().copied();
    assert_eq!((seen.len(), last), (7, Some((0, 80))), "{seen:?}");
    let drained = world.admin(0, AdminState::Draining);
    assert_eq!(drained, [(0, 0), (1, 1)], "the sorry server is up as well");
    let (service, _) = world.driver.snapshot.records(id(0)).unwrap();
    assert!(service.pool.lock().status.sorry_serves);
}

#[test]
fn decision_of_an_operator_comes_before_the_first_weight() {
    let config = Config::parse("cluster.yaml", MIXED).unwrap();
    let (driver, targets) = fixture::driver(&config);
    let driver = driver.with_decisions(
        |(_, real_server)| {
            let deadline = DrainDeadline {
                until: clock::monotonic() + Duration::from_mins(1),
                at: SystemTime::UNIX_EPOCH,
            };
            let is_rs3 = real_server.0.ip().to_string() == "192.0.2.13";
            is_rs3.then(|| (deadline, Decision::default()))
        },
        |_| None,
    );
    let mut world = World {
        driver,
        targets,
        start: clock::monotonic(),
        elapsed: Duration::ZERO,
    };
    assert_eq!(world.after(0), [], "it stays at weight 0");
}

#[test]
fn real_server_that_was_down_is_up_once_nothing_checks_it() {
    let mut world = World::new(MIXED);
    world.probe(1, ProbeResult::Refused);
    world.probe(1, ProbeResult::Refused);
    assert_eq!(world.live(1).health, Health::Down);
    assert!(world.live(1).diagnosis.is_some());
    let log = CapturedLog::start();
    let unchecked = MIXED.replace("check: { tcp: {}, rise: 3, fall: 2 }", "check: none");
    let result = world.reload(&unchecked);
    let weights: Vec<_> = result.weights.values().map(|weight| weight.get()).collect();
    assert_eq!(weights, [0, 6, 7]);
    let live = world.live(1);
    assert_eq!(live.health, Health::Up);
    assert_eq!(
        (
            live.counters.transitions_up(),
            live.counters.transitions_down()
        ),
        (1, 1)
    );
    assert!(live.last_probe.is_none() && live.diagnosis.is_none() && live.fix.is_none());
    let log_lines = log.take();
    let wanted = "INFO real server up service=\"web\" real_server=\"rs2\" from=down";
    let lines = log_lines
        .iter()
        .filter(|log_lines| log_lines.starts_with(wanted));
    assert_eq!(lines.count(), 1, "{log_lines:?}");
    assert!(world.reload(&unchecked).weights.len() == 3);
    assert_eq!(log.take().len(), 0, "it is said once");
    // An ARP conflict is seen without a probe, and nothing else is left when it has ended.
    let conflict = ["192.0.2.1", "192.0.2.12"].map(|ip| ip.parse().unwrap());
    let conflicts = [ArpConflicts::from([conflict.into()]), ArpConflicts::new()];
    let diagnoses = conflicts.map(|conflicts| {
        let now = world.now();
        world.driver.handle(Input::ArpConflicts(conflicts), now);
        world.live(1).diagnosis
    });
    assert_eq!(diagnoses, [Some(Diagnosis::ArpConflict), None]);
}

#[test]
fn real_server_keeps_being_up_when_it_gets_a_check_until_that_fails() {
    let mut world = World::new(MIXED);
    world.after(0);
    let checked = MIXED.replace("check: none", "check: { tcp: {}, rise: 1, fall: 2 }");
    let weights = world.reload(&checked).weights;
    assert!(
        weights
            .values()
            .any(|weight| *weight == Weight::new(7).unwrap())
    );
    assert_eq!(world.live(2).health, Health::Up);
    assert_eq!(world.probe(2, ProbeResult::Refused), []);
    assert_eq!(world.probe(2, ProbeResult::Refused), [(2, 0)]);
}

#[test]
fn change_of_one_real_servers_check_leaves_the_streaks_of_the_others() {
    let mut world = World::new(MIXED);
    for _ in 0..3 {
        world.probe(1, ProbeResult::Ok);
    }
    assert_eq!(world.probe(1, ProbeResult::Refused), [], "one of two");
    let other = MIXED.replace(
        "{ http: { host: site }, rise: 1",
        "{ http: { host: site }, rise: 2",
    );
    world.reload(&other);
    assert_eq!(world.probe(1, ProbeResult::Refused), [(1, 0)]);
    assert_eq!(world.probe(0, ProbeResult::Ok), []);
    assert_eq!(world.probe(0, ProbeResult::Ok), [(0, 5)]);
}
