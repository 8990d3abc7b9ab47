use std::collections::BTreeMap;
use std::num::NonZeroU16;

use super::*;
use crate::config::{OnArpConflict, RealServer};
use crate::diagnosis::Sight;
use crate::model::{Diagnosis, ProbeResult, Quiesced};
use crate::net::tls::Wrong;
use crate::probe::{Outcome, Probe, ProbeId, probe_targets};
use crate::reconcile::captured_log::CapturedLog;
use crate::status::fixture;

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
struct Bench {
    targets: Vec<ProbeTarget>,
    reports: mpsc::Sender<Report>,
    link: watch::Sender<Option<FreezeReason>>,
    thefts: watch::Sender<ArpConflicts>,
    silent: watch::Receiver<BTreeSet<IpAddr>>,
    present: watch::Sender<BTreeSet<IpAddr>>,
    snapshot: Arc<Snapshot>,
    intent: Arc<Intent>,
}

impl Bench {
    fn new(config: &Config) -> Self {
        let snapshot = Snapshot::director(config, "config.yaml".into(), fixture::start());
        let snapshot = Arc::new(snapshot);
        let intent = Arc::new(Intent::default());
        let targets = probe_targets(config);
        let names = config.virtual_services.iter().map(|service| &*service.name);
        let metrics = Arc::new(Metrics::new(names).unwrap());
        let probes = (0..targets.len()).map(|n| Probe {
            id: ProbeId(n.try_into().unwrap()),
            pace: Arc::default(),
        });
        let subscriptions = Subscriptions {
            probes: probes.collect(),
            targets: targets.clone(),
        };
        let task = HealthTask::new(
            Arc::new(config.clone()),
            subscriptions,
            Arc::clone(&snapshot),
            metrics,
            Arc::clone(&intent),
        );
        let (reports, reports_end) = mpsc::channel(1);
        let (link, link_end) = watch::channel(None);
        let liveness = Liveness::new(clock::monotonic(), Duration::from_secs(10), [Loop::Health]);
        let (_changes, changes_end) = mpsc::channel(1);
        let (thefts, thefts_end) = watch::channel(ArpConflicts::new());
        let (silent_end, silent) = watch::channel(BTreeSet::new());
        let (present, present_end) = watch::channel(BTreeSet::new());
        let outlook = Outlook {
            link: link_end,
            thefts: thefts_end,
            silent: silent_end,
            present: present_end,
        };
        tokio::spawn(task.run(reports_end, changes_end, outlook, Arc::new(liveness)));
        Self {
            targets,
            reports,
            link,
            thefts,
            silent,
            present,
            snapshot,
            intent,
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
        plain: Option<Sight>,
    ) -> BTreeMap<RealServerId, u32> {
        self.probe_that_told(id, result, plain, "").await
    }

    async fn probe_that_told(
        &self,
        id: RealServerId,
        result: ProbeResult,
        plain: Option<Sight>,
        detail: &str,
    ) -> BTreeMap<RealServerId, u32> {
        let probe = self
            .targets
            .iter()
            .position(|t| t.subscribers.contains(&id));
        let report = Report {
            probe: ProbeId(probe.unwrap().try_into().unwrap()),
            outcome: Outcome {
                result,
                detail: detail.to_owned(),
                duration: Duration::ZERO,
                advice: None,
                certificate_expiry: None,
                plain,
                vip: None,
                fix: None,
            },
            started: clock::monotonic(),
            at: fixture::start(),
        };
        self.reports.send(report).await.unwrap();
        self.after(Duration::from_millis(1)).await
    }

    /// What is wanted anew when so much time has passed.
    async fn after(&self, time: Duration) -> BTreeMap<RealServerId, u32> {
        tokio::time::sleep(time).await;
        let changes = self.intent.take().into_iter();
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
    let bench = Bench::new(&fixture::config());
    assert_eq!(bench.probe(RS6, ProbeResult::Ok).await, wanted([(RS6, 1)]));
    assert_eq!(bench.probe(SORRY, ProbeResult::Ok).await, wanted([]));
    let both = wanted([(RS6, 0), (SORRY, 1)]);
    assert_eq!(bench.probe(RS6, ProbeResult::Timeout).await, both);
    let record = &bench.snapshot.services[1];
    let standing = record.pool.lock().standing;
    assert!(standing.sorry_serves && !standing.quorum_met);
    let sorry_server = record.sorry_server.as_ref().unwrap().live.lock().clone();
    assert_eq!(
        (sorry_server.health, sorry_server.transitions_up),
        (Health::Up, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_link_nothing_moves_and_probes_that_began_then_say_nothing() {
    let bench = Bench::new(&fixture::config());
    bench.probe(RS1, ProbeResult::Ok).await;
    bench.link.send(Some(FreezeReason::Link)).unwrap();
    assert_eq!(bench.probe(RS1, ProbeResult::Timeout).await, wanted([]));
    assert_eq!(bench.probe(RS2, ProbeResult::Ok).await, wanted([]));
    assert!(bench.snapshot.held.lock().contains(&FreezeReason::Link));
    let health = || {
        bench.snapshot.services[0].real_servers[0]
            .live
            .lock()
            .health
    };
    assert_eq!(health(), Health::Up);

    bench.link.send(Some(FreezeReason::NoInterface)).unwrap();
    bench.after(Duration::from_millis(1)).await;
    let held = bench.snapshot.held.lock().clone();
    assert_eq!(held, [FreezeReason::NoInterface].into());

    bench.link.send(None).unwrap();
    bench.after(Duration::from_millis(1)).await;
    assert!(bench.snapshot.held.lock().is_empty());
    let gone = wanted([(RS1, 0)]);
    assert_eq!(bench.probe(RS1, ProbeResult::Timeout).await, gone);
}

/// A server without a certificate that dies is taken out all the same.
#[tokio::test(start_paused = true)]
async fn a_wrong_clock_is_shown_and_holds_only_what_depends_on_it() {
    let log = CapturedLog::start();
    let bench = Bench::new(&fixture::config());
    bench.probe(RS1, ProbeResult::Ok).await;
    bench.probe(RS2, ProbeResult::Ok).await;
    log.take();
    let wrong = format!("through the VIP: {}", Wrong::Late);
    for _ in 0..3 {
        let internal = ProbeResult::Internal;
        let weights = bench.probe_that_told(RS1, internal, None, &wrong).await;
        assert_eq!(weights, wanted([]));
    }
    assert_eq!(*bench.snapshot.held.lock(), [FreezeReason::Clock].into());
    assert!(!bench.snapshot.all_weights_are_held());
    let said = log.take();
    let held = said.iter().filter(|line| {
        line.contains("verdicts that depend on the dates of certificates are held")
            && line.contains("timedatectl set-ntp true")
    });
    assert_eq!(held.count(), 1, "{said:?}");
    let gone = wanted([(RS2, 0)]);
    assert_eq!(bench.probe(RS2, ProbeResult::Refused).await, gone);
    // The link, too, and then not.
    bench.link.send(Some(FreezeReason::Link)).unwrap();
    bench.after(Duration::from_millis(1)).await;
    assert_eq!(bench.probe(RS1, ProbeResult::Refused).await, wanted([]));
    assert_eq!(*bench.snapshot.held.lock(), [FreezeReason::Link].into());
    let internal = ProbeResult::Internal;
    bench.probe_that_told(RS1, internal, None, &wrong).await;
    bench.link.send(None).unwrap();
    bench.after(Duration::from_millis(1)).await;
    assert_eq!(*bench.snapshot.held.lock(), [FreezeReason::Clock].into());
    let gone = wanted([(RS1, 0)]);
    assert_eq!(bench.probe(RS1, ProbeResult::Refused).await, gone);
    assert!(bench.snapshot.held.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_at_once_it_is_not_the_real_servers() {
    let mut config = fixture::config();
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
        weight: Weight::ONE,
    };
    config.virtual_services[1].real_servers.push(fourth);
    let all = [RS1, RS2, RS6, SORRY];

    let bench = Bench::new(&config);
    for id in all {
        bench.probe(id, ProbeResult::Ok).await;
    }
    for _ in 0..5 {
        for id in all {
            assert_eq!(bench.probe(id, ProbeResult::Internal).await, wanted([]));
        }
    }
    assert!(bench.snapshot.held.lock().is_empty(), "no evidence at all");
    for _ in 0..5 {
        for id in all {
            assert_eq!(bench.probe(id, ProbeResult::Timeout).await, wanted([]));
        }
    }
    assert!(bench.snapshot.held.lock().contains(&FreezeReason::Probes));
    for id in [RS1, RS2] {
        assert_eq!(bench.probe(id, ProbeResult::Ok).await, wanted([]));
    }
    assert!(bench.snapshot.held.lock().is_empty());
    bench.probe(RS6, ProbeResult::Timeout).await;
    let gone = wanted([(RS6, 0)]);
    assert_eq!(bench.probe(RS6, ProbeResult::Timeout).await, gone);
}

#[tokio::test(start_paused = true)]
async fn slow_start_steps_are_taken_though_nothing_is_reported() {
    let mut config = fixture::config();
    config.virtual_services[0].real_servers[1].weight = Weight::new(80).unwrap();
    config.virtual_services[0].pool.slow_start = Duration::from_secs(14);
    let bench = Bench::new(&config);
    let first = bench.probe(RS2, ProbeResult::Ok).await;
    assert_eq!(first, wanted([(RS2, 10)]));
    let second = Duration::from_secs(1);
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.extend(bench.after(second).await.into_values());
    }
    assert_eq!(seen, [20, 30, 40, 50, 60, 70, 80]);
}

#[tokio::test(start_paused = true)]
async fn who_steals_loses_its_weight_only_where_that_is_configured() {
    let theft = (
        "192.168.11.200".parse().unwrap(),
        "192.168.11.21".parse().unwrap(),
    );
    for quiesces in [true, false] {
        let mut config = fixture::config();
        if quiesces {
            config.director.on_arp_conflict = OnArpConflict::Quiesce;
        }
        let bench = Bench::new(&config);
        bench.probe(RS1, ProbeResult::Ok).await;
        bench.probe(RS2, ProbeResult::Ok).await;
        let moment = Duration::from_millis(1);
        let quiesced = || {
            let (_, record) = bench.snapshot.records(RS1).unwrap();
            let live = record.live.lock();
            (live.quiesced, live.health, live.transitions_down)
        };

        bench.thefts.send(ArpConflicts::from([theft])).unwrap();
        let changes = if quiesces {
            wanted([(RS1, 0)])
        } else {
            wanted([])
        };
        assert_eq!(bench.after(moment).await, changes);
        let reason = quiesces.then_some(Quiesced::ArpConflict);
        assert_eq!(quiesced(), (reason, Health::Up, 0));

        bench.thefts.send(ArpConflicts::new()).unwrap();
        let changes = if quiesces {
            wanted([(RS1, 1)])
        } else {
            wanted([])
        };
        assert_eq!(bench.after(moment).await, changes);
        assert_eq!(quiesced(), (None, Health::Up, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn whom_no_probe_reaches_is_asked_for_and_down_only_by_its_application_if_it_is_there() {
    let bench = Bench::new(&fixture::config());
    let rip: IpAddr = "192.168.11.21".parse().unwrap();
    let silent = || bench.silent.borrow().clone();
    let diagnosis = || {
        let (_, record) = bench.snapshot.records(RS1).unwrap();
        record.live.lock().diagnosis
    };
    let saw = async |result, sight| {
        bench.probe_that_saw(RS1, result, Some(sight)).await;
    };
    saw(ProbeResult::Refused, Sight::Refused).await;
    assert_eq!(silent(), BTreeSet::new());

    saw(ProbeResult::Timeout, Sight::Silent).await;
    assert_eq!(silent(), BTreeSet::from([rip]));
    assert_eq!(diagnosis(), Some(Diagnosis::Unreachable));
    let moment = Duration::from_millis(1);
    for (present, expected) in [
        (BTreeSet::from([rip]), Diagnosis::ApplicationDown),
        (BTreeSet::new(), Diagnosis::Unreachable),
        (BTreeSet::from([rip]), Diagnosis::ApplicationDown),
    ] {
        bench.present.send(present).unwrap();
        bench.after(moment).await;
        assert_eq!(diagnosis(), Some(expected));
    }
    saw(ProbeResult::Timeout, Sight::Silent).await;
    assert_eq!(diagnosis(), Some(Diagnosis::ApplicationDown));

    saw(ProbeResult::Ok, Sight::Well).await;
    bench.after(moment).await;
    assert_eq!(silent(), BTreeSet::new());
    assert_eq!(diagnosis(), Some(Diagnosis::Ok));
}

#[tokio::test(start_paused = true)]
async fn diagnosis_comes_with_the_verdict_and_another_when_two_probes_say_so() {
    let bench = Bench::new(&fixture::config());
    let log = CapturedLog::start();
    let told = || {
        let lines = log.take().into_iter();
        let told = lines.filter_map(|line| {
            let (_, cause) = line.split_once(" diagnosis=\"")?;
            Some(cause.split('"').next()?.to_owned())
        });
        told.collect::<Vec<_>>()
    };
    for (result, sight, expected) in [
        (ProbeResult::Ok, Sight::Well, None),
        (ProbeResult::Ok, Sight::Well, None),
        (ProbeResult::Timeout, Sight::Silent, Some("unreachable")),
        (ProbeResult::Refused, Sight::Refused, None),
        (
            ProbeResult::Refused,
            Sight::Refused,
            Some("application_down"),
        ),
        (ProbeResult::Refused, Sight::Refused, None),
        (ProbeResult::Ok, Sight::Well, None),
        (
            ProbeResult::Refused,
            Sight::Refused,
            Some("application_down"),
        ),
        (ProbeResult::Ok, Sight::Well, None),
        (ProbeResult::Ok, Sight::Well, None),
    ] {
        bench.probe_that_saw(RS1, result, Some(sight)).await;
        bench.after(Duration::from_millis(1)).await;
        assert_eq!(told(), Vec::from_iter(expected), "{result:?} {sight:?}");
    }
}

/// Sixty real servers of one service.
fn many() -> Config {
    let mut config = fixture::config();
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

async fn probe_all(bench: &Bench, result: ProbeResult, plain: Sight, times: usize) {
    for _ in 0..times {
        for real_server in 0..60 {
            let id = RealServerId {
                service: 0,
                real_server,
            };
            bench.probe_that_saw(id, result, Some(plain)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hundreds_that_fall_are_ten_lines_and_a_number_each_with_cause_and_fix() {
    let log = CapturedLog::start();
    let config = many();
    let bench = Bench::new(&config);
    let check = &config.virtual_services[0].check;
    let (rise, fall) = (check.rise.get().into(), check.fall.get().into());
    probe_all(&bench, ProbeResult::Ok, Sight::Well, rise).await;
    bench.after(Duration::from_secs(30)).await;
    log.take();
    probe_all(&bench, ProbeResult::Refused, Sight::Refused, fall).await;
    bench.after(Duration::from_secs(30)).await;
    let said = log.take();
    let down: Vec<_> = said.iter().filter(|line| line.contains("down")).collect();
    assert_eq!(down.len(), 11, "{said:?}");
    for line in &down {
        assert!(line.contains("diagnosis=\"application_down\""), "{line}");
        assert!(line.contains("fix=\"on 192.168.11."), "{line}");
    }
    assert!(
        down[0].starts_with("WARN real server down: "),
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
        !said.iter().any(|line| line.contains("to mend it")),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_real_server_is_blamed_while_the_link_of_the_director_is_down() {
    let log = CapturedLog::start();
    let config = many();
    let bench = Bench::new(&config);
    let rise = config.virtual_services[0].check.rise.get().into();
    probe_all(&bench, ProbeResult::Ok, Sight::Well, rise).await;
    bench.after(Duration::from_secs(30)).await;
    log.take();
    bench.link.send(Some(FreezeReason::Link)).unwrap();
    bench.after(Duration::from_millis(1)).await;
    probe_all(&bench, ProbeResult::Unreachable, Sight::NoNeighbour, 5).await;
    for _ in 0..6 {
        bench.after(Duration::from_secs(5)).await;
        // Probes that do not report at all are told of.
        probe_all(&bench, ProbeResult::Unreachable, Sight::NoNeighbour, 1).await;
    }
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("all weights are held"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn probes_that_do_not_report_are_told_of_once() {
    let log = CapturedLog::start();
    let config = many();
    let bench = Bench::new(&config);
    let rise = config.virtual_services[0].check.rise.get().into();
    probe_all(&bench, ProbeResult::Ok, Sight::Well, rise).await;
    log.take();
    bench.after(Duration::from_mins(1)).await;
    let said = log.take();
    let stuck = |line: &&String| line.contains("ERROR a probe has not reported for ");
    assert_eq!(said.iter().filter(stuck).count(), 1, "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn another_reason_of_one_that_is_down_is_one_more_line() {
    let log = CapturedLog::start();
    let bench = Bench::new(&many());
    let id = RealServerId {
        service: 0,
        real_server: 0,
    };
    for _ in 0..5 {
        bench
            .probe_that_saw(id, ProbeResult::Timeout, Some(Sight::Silent))
            .await;
    }
    let said = log.take();
    let down = said.iter().filter(|line| line.contains("rs1")).count();
    assert_eq!(down, 1, "{said:?}");
    for _ in 0..3 {
        bench
            .probe_that_saw(id, ProbeResult::Refused, Some(Sight::Refused))
            .await;
    }
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("WARN real server still down, for another reason")
            && said[0].contains("diagnosis=\"application_down\""),
        "{said:?}"
    );
}
