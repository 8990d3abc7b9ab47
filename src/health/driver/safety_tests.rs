//! Tests of the driver that no fault of the director's own takes a real server out of
//! service.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use super::*;
use crate::config::{OnArpConflict, RealServer};
use crate::diagnosis::PathResult;
use crate::model::{Diagnosis, Health, ProbeResult, Quiesced, Weight};
use crate::net::tls::ClockError;
use crate::probe::ProbeId;
use crate::reconcile::captured_log::CapturedLog;
use crate::status::fixture as status_fixture;

const RS1: RealServerId = RealServerId {
    service: 0,
    real_server: 0,
};
const RS2: RealServerId = RealServerId {
    service: 0,
    real_server: 1,
};
const RS6: RealServerId = RealServerId {
    service: 1,
    real_server: 0,
};
const SORRY: RealServerId = RealServerId {
    service: 1,
    real_server: 1,
};

/// A health task at work, in virtual time.
struct Fixture {
    targets: Vec<ProbeTarget>,
    reports: mpsc::Sender<ProbeReport>,
    link: watch::Sender<Option<FreezeReason>>,
    conflicts: watch::Sender<ArpConflicts>,
    unresponsive: watch::Receiver<BTreeSet<IpAddr>>,
    present: watch::Sender<BTreeSet<IpAddr>>,
    snapshot: Arc<Snapshot>,
    weight_updates: Arc<WeightUpdates>,
}

impl Fixture {
    fn new(config: &Config) -> Self {
        let (driver, targets) = fixture::driver(config);
        let (snapshot, weight_updates) = (
            Arc::clone(&driver.snapshot),
            Arc::clone(&driver.weight_updates),
        );
        let (reports, reports_end) = mpsc::channel(1);
        let (link, link_end) = watch::channel(None);
        let liveness = Liveness::new(clock::monotonic(), Duration::from_secs(10), [Loop::Health]);
        let (_changes, changes_end) = mpsc::channel(1);
        let (conflicts, conflicts_end) = watch::channel(ArpConflicts::new());
        let (unresponsive_end, unresponsive) = watch::channel(BTreeSet::new());
        let (present, present_end) = watch::channel(BTreeSet::new());
        let link_inputs = LinkInputs {
            link: link_end,
            arp_conflicts: conflicts_end,
            unresponsive: unresponsive_end,
            present: present_end,
        };
        let (_loads, loads_end) = watch::channel(None);
        let liveness = Arc::new(liveness);
        tokio::spawn(driver.run(reports_end, changes_end, loads_end, link_inputs, liveness));
        Self {
            targets,
            reports,
            link,
            conflicts,
            unresponsive,
            present,
            snapshot,
            weight_updates,
        }
    }

    /// One probe of the real server, and the weights that follow at once.
    async fn probe(&self, id: RealServerId, result: ProbeResult) -> BTreeMap<RealServerId, u32> {
        self.probe_that_saw(id, result, None).await
    }

    async fn probe_that_saw(
        &self,
        id: RealServerId,
        result: ProbeResult,
        plain: Option<PathResult>,
    ) -> BTreeMap<RealServerId, u32> {
        self.probe_that_told(id, result, plain, "").await
    }

    async fn probe_that_told(
        &self,
        id: RealServerId,
        result: ProbeResult,
        plain: Option<PathResult>,
        detail: &str,
    ) -> BTreeMap<RealServerId, u32> {
        let probe = self
            .targets
            .iter()
            .position(|t| t.subscribers.contains(&id));
        let probe = ProbeId(probe.unwrap().try_into().unwrap());
        let mut report = fixture::report(probe, result);
        report.outcome.detail = detail.to_owned();
        report.outcome.plain = plain;
        self.reports.send(report).await.unwrap();
        self.after(Duration::from_millis(1)).await
    }

    /// What is wanted anew when so much time has passed.
    async fn after(&self, time: Duration) -> BTreeMap<RealServerId, u32> {
        tokio::time::sleep(time).await;
        let changes = self.weight_updates.take().into_iter();
        changes
            .map(|(id, change)| (id, change.weight.get()))
            .collect()
    }
}

fn wanted<const N: usize>(weights: [(RealServerId, u32); N]) -> BTreeMap<RealServerId, u32> {
    BTreeMap::from(weights)
}

#[tokio::test(start_paused = true)]
async fn the_sorry_server_is_probed_and_takes_over_in_one_piece() {
    let fixture = Fixture::new(&status_fixture::config());
    assert_eq!(
        fixture.probe(RS6, ProbeResult::Ok).await,
        wanted([(RS6, 1)])
    );
    assert_eq!(fixture.probe(SORRY, ProbeResult::Ok).await, wanted([]));
    let both = wanted([(RS6, 0), (SORRY, 1)]);
    assert_eq!(fixture.probe(RS6, ProbeResult::Timeout).await, both);
    let record = &fixture.snapshot.services[1];
    let status = record.pool.lock().status;
    assert!(status.sorry_serves && !status.quorum_met);
    let sorry_server = record.sorry_server.as_ref().unwrap().live.lock().clone();
    assert_eq!(
        (sorry_server.health, sorry_server.counters.transitions_up()),
        (Health::Up, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_link_weights_are_frozen_and_probes_that_began_then_do_not_count() {
    let fixture = Fixture::new(&status_fixture::config());
    fixture.probe(RS1, ProbeResult::Ok).await;
    fixture.link.send(Some(FreezeReason::Link)).unwrap();
    assert_eq!(fixture.probe(RS1, ProbeResult::Timeout).await, wanted([]));
    assert_eq!(fixture.probe(RS2, ProbeResult::Ok).await, wanted([]));
    assert!(fixture.snapshot.frozen.lock().contains(&FreezeReason::Link));
    let health = || {
        fixture.snapshot.services[0].real_servers[0]
            .live
            .lock()
            .health
    };
    assert_eq!(health(), Health::Up);

    fixture.link.send(Some(FreezeReason::NoInterface)).unwrap();
    fixture.after(Duration::from_millis(1)).await;
    let frozen = fixture.snapshot.frozen.lock().clone();
    assert_eq!(frozen, [FreezeReason::NoInterface].into());

    fixture.link.send(None).unwrap();
    fixture.after(Duration::from_millis(1)).await;
    assert!(fixture.snapshot.frozen.lock().is_empty());
    let gone = wanted([(RS1, 0)]);
    assert_eq!(fixture.probe(RS1, ProbeResult::Timeout).await, gone);
}

/// A server without a certificate that dies is taken out all the same.
#[tokio::test(start_paused = true)]
async fn wrong_clock_is_shown_and_freezes_only_what_depends_on_it() {
    let log = CapturedLog::start();
    let fixture = Fixture::new(&status_fixture::config());
    fixture.probe(RS1, ProbeResult::Ok).await;
    fixture.probe(RS2, ProbeResult::Ok).await;
    log.take();
    let wrong = format!("through the VIP: {}", ClockError::Ahead);
    for _ in 0..3 {
        let internal = ProbeResult::Internal;
        let weights = fixture.probe_that_told(RS1, internal, None, &wrong).await;
        assert_eq!(weights, wanted([]));
    }
    assert_eq!(
        *fixture.snapshot.frozen.lock(),
        [FreezeReason::Clock].into()
    );
    assert!(!fixture.snapshot.all_weights_are_frozen());
    let lines = log.take();
    let frozen = lines.iter().filter(|line| {
        line.contains("verdicts that depend on the dates of certificates are frozen")
            && line.contains("timedatectl set-ntp true")
    });
    assert_eq!(frozen.count(), 1, "{lines:?}");
    let gone = wanted([(RS2, 0)]);
    assert_eq!(fixture.probe(RS2, ProbeResult::Refused).await, gone);
    // The link, too, and then not.
    fixture.link.send(Some(FreezeReason::Link)).unwrap();
    fixture.after(Duration::from_millis(1)).await;
    assert_eq!(fixture.probe(RS1, ProbeResult::Refused).await, wanted([]));
    assert_eq!(*fixture.snapshot.frozen.lock(), [FreezeReason::Link].into());
    let internal = ProbeResult::Internal;
    fixture.probe_that_told(RS1, internal, None, &wrong).await;
    fixture.link.send(None).unwrap();
    fixture.after(Duration::from_millis(1)).await;
    assert_eq!(
        *fixture.snapshot.frozen.lock(),
        [FreezeReason::Clock].into()
    );
    let gone = wanted([(RS1, 0)]);
    assert_eq!(fixture.probe(RS1, ProbeResult::Refused).await, gone);
    assert!(fixture.snapshot.frozen.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn mass_failure_freezes_all_weights() {
    let mut config = status_fixture::config();
    for service in &mut config.virtual_services {
        let mut check = (*service.check).clone();
        check.fall = NonZeroU16::new(2).unwrap();
        service.check = Arc::new(check);
        service.pool.sorry_server = None;
    }
    let fourth = crate::config::RealServer {
        upper_threshold: 0,
        lower_threshold: 0,
        name: "rs7".into(),
        key: "[2001:db8::22]:0".parse().unwrap(),
        forwarding: None,
        check: None,
        weight: Weight::ONE,
    };
    config.virtual_services[1].real_servers.push(fourth);
    let all = [RS1, RS2, RS6, SORRY];

    let fixture = Fixture::new(&config);
    for id in all {
        fixture.probe(id, ProbeResult::Ok).await;
    }
    for _ in 0..5 {
        for id in all {
            assert_eq!(fixture.probe(id, ProbeResult::Internal).await, wanted([]));
        }
    }
    assert!(
        fixture.snapshot.frozen.lock().is_empty(),
        "no evidence at all"
    );
    for _ in 0..5 {
        for id in all {
            assert_eq!(fixture.probe(id, ProbeResult::Timeout).await, wanted([]));
        }
    }
    let frozen: Vec<_> = fixture.snapshot.frozen.lock().iter().cloned().collect();
    let [FreezeReason::Probes(seen)] = &frozen[..] else {
        panic!("{frozen:?}");
    };
    assert_eq!(seen.result, ProbeResult::Timeout);
    for id in [RS1, RS2] {
        assert_eq!(fixture.probe(id, ProbeResult::Ok).await, wanted([]));
    }
    assert!(fixture.snapshot.frozen.lock().is_empty());
    fixture.probe(RS6, ProbeResult::Timeout).await;
    let gone = wanted([(RS6, 0)]);
    assert_eq!(fixture.probe(RS6, ProbeResult::Timeout).await, gone);
}

#[tokio::test(start_paused = true)]
async fn slow_start_steps_are_taken_though_nothing_is_reported() {
    let mut config = status_fixture::config();
    config.virtual_services[0].real_servers[1].weight = Weight::new(80).unwrap();
    config.virtual_services[0].pool.slow_start = Duration::from_secs(14);
    let fixture = Fixture::new(&config);
    let first = fixture.probe(RS2, ProbeResult::Ok).await;
    assert_eq!(first, wanted([(RS2, 10)]));
    let second = Duration::from_secs(1);
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.extend(fixture.after(second).await.into_values());
    }
    assert_eq!(seen, [20, 30, 40, 50, 60, 70, 80]);
}

#[tokio::test(start_paused = true)]
async fn arp_conflict_takes_the_weight_only_where_that_is_configured() {
    let conflict = (
        "192.168.11.200".parse().unwrap(),
        "192.168.11.21".parse().unwrap(),
    );
    for quiesces in [true, false] {
        let mut config = status_fixture::config();
        if quiesces {
            config.director.on_arp_conflict = OnArpConflict::Quiesce;
        }
        let fixture = Fixture::new(&config);
        fixture.probe(RS1, ProbeResult::Ok).await;
        fixture.probe(RS2, ProbeResult::Ok).await;
        let moment = Duration::from_millis(1);
        let quiesced = || {
            let (_, record) = fixture.snapshot.records(RS1).unwrap();
            let live = record.live.lock();
            (live.quiesced, live.health, live.counters.transitions_down())
        };

        fixture
            .conflicts
            .send(ArpConflicts::from([conflict]))
            .unwrap();
        let changes = if quiesces {
            wanted([(RS1, 0)])
        } else {
            wanted([])
        };
        assert_eq!(fixture.after(moment).await, changes);
        let reason = quiesces.then_some(Quiesced::ArpConflict);
        assert_eq!(quiesced(), (reason, Health::Up, 0));

        fixture.conflicts.send(ArpConflicts::new()).unwrap();
        let changes = if quiesces {
            wanted([(RS1, 1)])
        } else {
            wanted([])
        };
        assert_eq!(fixture.after(moment).await, changes);
        assert_eq!(quiesced(), (None, Health::Up, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn unresponsive_host_that_is_present_has_a_diagnosis_of_its_application() {
    let fixture = Fixture::new(&status_fixture::config());
    let rip: IpAddr = "192.168.11.21".parse().unwrap();
    let unresponsive = || fixture.unresponsive.borrow().clone();
    let diagnosis = || {
        let (_, record) = fixture.snapshot.records(RS1).unwrap();
        record.live.lock().diagnosis
    };
    let saw = async |result, path_result| {
        fixture.probe_that_saw(RS1, result, Some(path_result)).await;
    };
    saw(ProbeResult::Refused, PathResult::Refused).await;
    assert_eq!(unresponsive(), BTreeSet::new());

    saw(ProbeResult::Timeout, PathResult::NoReply).await;
    assert_eq!(unresponsive(), BTreeSet::from([rip]));
    assert_eq!(diagnosis(), Some(Diagnosis::Unreachable));
    let moment = Duration::from_millis(1);
    for (present, expected) in [
        (BTreeSet::from([rip]), Diagnosis::ApplicationDown),
        (BTreeSet::new(), Diagnosis::Unreachable),
        (BTreeSet::from([rip]), Diagnosis::ApplicationDown),
    ] {
        fixture.present.send(present).unwrap();
        fixture.after(moment).await;
        assert_eq!(diagnosis(), Some(expected));
    }
    saw(ProbeResult::Timeout, PathResult::NoReply).await;
    assert_eq!(diagnosis(), Some(Diagnosis::ApplicationDown));

    saw(ProbeResult::Ok, PathResult::Passed).await;
    fixture.after(moment).await;
    assert_eq!(unresponsive(), BTreeSet::new());
    assert_eq!(diagnosis(), Some(Diagnosis::Ok));
}

#[tokio::test(start_paused = true)]
async fn diagnosis_is_logged_with_the_transition_and_a_new_one_after_two_probes() {
    let fixture = Fixture::new(&status_fixture::config());
    let log = CapturedLog::start();
    let reported = || {
        let lines = log.take().into_iter();
        let reported = lines.filter_map(|line| {
            let (_, cause) = line.split_once(" diagnosis=\"")?;
            Some(cause.split('"').next()?.to_owned())
        });
        reported.collect::<Vec<_>>()
    };
    for (result, path_result, expected) in [
        (ProbeResult::Ok, PathResult::Passed, None),
        (ProbeResult::Ok, PathResult::Passed, None),
        (
            ProbeResult::Timeout,
            PathResult::NoReply,
            Some("unreachable"),
        ),
        (ProbeResult::Refused, PathResult::Refused, None),
        (
            ProbeResult::Refused,
            PathResult::Refused,
            Some("application_down"),
        ),
        (ProbeResult::Refused, PathResult::Refused, None),
        (ProbeResult::Ok, PathResult::Passed, None),
        (
            ProbeResult::Refused,
            PathResult::Refused,
            Some("application_down"),
        ),
        (ProbeResult::Ok, PathResult::Passed, None),
        (ProbeResult::Ok, PathResult::Passed, None),
    ] {
        fixture.probe_that_saw(RS1, result, Some(path_result)).await;
        fixture.after(Duration::from_millis(1)).await;
        assert_eq!(
            reported(),
            Vec::from_iter(expected),
            "{result:?} {path_result:?}"
        );
    }
}

/// Sixty real servers of one service.
fn many() -> Config {
    let mut config = status_fixture::config();
    config.virtual_services.truncate(1);
    let web = &mut config.virtual_services[0];
    let first = web.real_servers[0].clone();
    web.real_servers = (1..=60)
        .map(|n| RealServer {
            name: format!("rs{n}").into(),
            key: format!("192.168.11.{n}:80").parse().unwrap(),
            ..first.clone()
        })
        .collect();
    config
}

async fn probe_all(fixture: &Fixture, result: ProbeResult, plain: PathResult, times: usize) {
    for _ in 0..times {
        for real_server in 0..60 {
            let id = RealServerId {
                service: 0,
                real_server,
            };
            fixture.probe_that_saw(id, result, Some(plain)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_real_servers_down_are_ten_lines_and_a_summary_with_cause_and_fix() {
    let log = CapturedLog::start();
    let config = many();
    let fixture = Fixture::new(&config);
    let check = &config.virtual_services[0].check;
    let (rise, fall) = (check.rise.get().into(), check.fall.get().into());
    probe_all(&fixture, ProbeResult::Ok, PathResult::Passed, rise).await;
    fixture.after(Duration::from_secs(30)).await;
    log.take();
    probe_all(&fixture, ProbeResult::Refused, PathResult::Refused, fall).await;
    fixture.after(Duration::from_secs(30)).await;
    let lines = log.take();
    let down: Vec<_> = lines.iter().filter(|line| line.contains("down")).collect();
    assert_eq!(down.len(), 11, "{lines:?}");
    for line in &down {
        assert!(line.contains("diagnosis=\"application_down\""), "{line}");
        assert!(line.contains("fix=\"on 192.168.11."), "{line}");
    }
    assert!(
        down[0].starts_with("WARN real server down service="),
        "{}",
        down[0]
    );
    assert!(
        down[10].starts_with("WARN more real servers are down number=50 ")
            && down[10].contains("among_them=\"web/rs11, web/rs12, web/rs13\""),
        "{}",
        down[10]
    );
    assert!(
        !lines.iter().any(|line| line.contains("to mend it")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_real_server_is_logged_as_down_while_the_link_of_the_director_is_down() {
    let log = CapturedLog::start();
    let config = many();
    let fixture = Fixture::new(&config);
    let rise = config.virtual_services[0].check.rise.get().into();
    probe_all(&fixture, ProbeResult::Ok, PathResult::Passed, rise).await;
    fixture.after(Duration::from_secs(30)).await;
    log.take();
    fixture.link.send(Some(FreezeReason::Link)).unwrap();
    fixture.after(Duration::from_millis(1)).await;
    probe_all(
        &fixture,
        ProbeResult::Unreachable,
        PathResult::NoNeighbour,
        5,
    )
    .await;
    for _ in 0..6 {
        fixture.after(Duration::from_secs(5)).await;
        // Probes that do not report at all are told of.
        probe_all(
            &fixture,
            ProbeResult::Unreachable,
            PathResult::NoNeighbour,
            1,
        )
        .await;
    }
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("all weights are frozen"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn probes_that_do_not_report_are_logged_once() {
    let log = CapturedLog::start();
    let config = many();
    let fixture = Fixture::new(&config);
    let rise = config.virtual_services[0].check.rise.get().into();
    probe_all(&fixture, ProbeResult::Ok, PathResult::Passed, rise).await;
    log.take();
    fixture.after(Duration::from_mins(1)).await;
    let lines = log.take();
    let stuck = |line: &&String| line.contains("ERROR a probe has not reported: ");
    assert_eq!(lines.iter().filter(stuck).count(), 1, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn new_diagnosis_of_a_real_server_that_is_down_is_one_more_line() {
    let log = CapturedLog::start();
    let fixture = Fixture::new(&many());
    let id = RealServerId {
        service: 0,
        real_server: 0,
    };
    for _ in 0..5 {
        fixture
            .probe_that_saw(id, ProbeResult::Timeout, Some(PathResult::NoReply))
            .await;
    }
    let lines = log.take();
    let down = lines.iter().filter(|line| line.contains("rs1")).count();
    assert_eq!(down, 1, "{lines:?}");
    for _ in 0..3 {
        fixture
            .probe_that_saw(id, ProbeResult::Refused, Some(PathResult::Refused))
            .await;
    }
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("WARN real server still down, for another reason")
            && lines[0].contains("diagnosis=\"application_down\""),
        "{lines:?}"
    );
}
