use std::sync::Mutex;

use super::*;
use crate::config::{Check, CheckKind};
use crate::probe::ProbeRate;
use crate::status::fixture;

const SECOND: Duration = Duration::from_secs(1);

fn passed() -> Outcome {
    Outcome {
        result: ProbeResult::Ok,
        detail: "HTTP 200".to_owned(),
        duration: Duration::ZERO,
        advice: None,
        certificate_expiry: None,
        plain: None,
        vip: None,
        fix: None,
    }
}

fn ids(probes: &[ProbeHandle]) -> Vec<ProbeId> {
    probes.iter().map(|probe| probe.id).collect()
}

fn every_second() -> Schedule {
    let intervals = Intervals {
        normal: SECOND,
        fast: SECOND,
        down: SECOND,
    };
    Schedule::spread(clock::monotonic(), intervals, 0, 1)
}

fn check(interval: Duration) -> Arc<Check> {
    Arc::new(Check {
        interval,
        fast_interval: interval,
        down_interval: interval,
        ..fixture::check(CheckKind::Http(fixture::http_check()))
    })
}

#[tokio::test(start_paused = true)]
async fn reports_come_on_the_grid() {
    let start = clock::monotonic();
    let (sender, mut reports) = mpsc::channel(1);
    let probe = || async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        passed()
    };
    let _task = ProbeTask(tokio::spawn(run(
        ProbeId(7),
        every_second(),
        Arc::default(),
        probe,
        sender,
        None,
    )));
    for slot in 0..5 {
        let report = reports.recv().await.unwrap();
        assert_eq!(report.probe, ProbeId(7));
        assert_eq!(report.started - start, SECOND * slot);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_not_made_and_the_next_one_is() {
    let (sender, mut reports) = mpsc::channel(1);
    let number = std::sync::atomic::AtomicU32::new(0);
    let probe = move || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            assert!(number != 1, "injected");
            tokio::task::yield_now().await;
            assert!(number != 2, "injected later");
            passed()
        }
    };
    let _task = ProbeTask(tokio::spawn(run(
        ProbeId(7),
        every_second(),
        Arc::default(),
        probe,
        sender,
        None,
    )));
    for detail in ["", "injected", "injected later", "", ""] {
        let outcome = reports.recv().await.unwrap().outcome;
        if detail.is_empty() {
            assert_eq!(outcome, passed());
        } else {
            assert_eq!(outcome.result, ProbeResult::Internal);
            let expected = format!("the agent's own code failed: {detail}");
            assert_eq!(outcome.detail, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_channel_holds_the_probe_back_and_makes_no_burst() {
    let start = clock::monotonic();
    let (sender, mut reports) = mpsc::channel(1);
    let probe = || async { passed() };
    let _task = ProbeTask(tokio::spawn(run(
        ProbeId(0),
        every_second(),
        Arc::default(),
        probe,
        sender,
        None,
    )));
    tokio::time::sleep(SECOND * 10 + SECOND / 4).await;
    let mut started = Vec::new();
    for _ in 0..4 {
        started.push((reports.recv().await.unwrap().started - start).as_secs());
    }
    assert_eq!(started, [0, 1, 11, 12]);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_when_nobody_listens() {
    let (sender, reports) = mpsc::channel(1);
    drop(reports);
    let task = tokio::spawn(run(
        ProbeId(0),
        every_second(),
        Arc::default(),
        || async { passed() },
        sender,
        None,
    ));
    tokio::time::timeout(SECOND * 5, task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_guard_ends_the_probe_in_flight() {
    struct Flag(Arc<Mutex<bool>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }
    let (sender, mut reports) = mpsc::channel(1);
    let dropped = Arc::new(Mutex::new(false));
    let in_flight = Arc::clone(&dropped);
    let (started_sender, mut started) = mpsc::channel(1);
    let probe = move || {
        let flag = Flag(Arc::clone(&in_flight));
        let started = started_sender.clone();
        async move {
            let _flag = flag;
            started.send(()).await.unwrap();
            std::future::pending().await
        }
    };
    let task = ProbeTask(tokio::spawn(run(
        ProbeId(0),
        every_second(),
        Arc::default(),
        probe,
        sender,
        None,
    )));
    started.recv().await.unwrap();
    drop(task);
    assert!(reports.recv().await.is_none());
    assert!(*dropped.lock().unwrap());
}

#[tokio::test]
async fn all_probes_report_and_end_with_their_guard() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let target = |milliseconds| ProbeTarget {
        spec: Arc::new(ProbeSpec {
            target: closed,
            check: check(Duration::from_millis(milliseconds)),
            route: None,
        }),
        subscribers: Vec::new(),
    };
    let (sender, mut reports) = mpsc::channel(16);
    let mut running = ProbeTasks::new(Prober::new(), sender);
    let probes = running.change_to(&[target(20), target(30), target(40)]);
    assert_eq!(ids(&probes), [0, 1, 2].map(ProbeId));
    let mut seen = [0; 3];
    while seen.contains(&0) {
        let report = tokio::time::timeout(SECOND * 20, reports.recv());
        let report = report.await.unwrap().unwrap();
        assert_eq!(report.outcome.result, ProbeResult::Refused);
        seen[report.probe.0 as usize] += 1;
    }
    drop(running);
    let end = async { while reports.recv().await.is_some() {} };
    tokio::time::timeout(SECOND * 20, end).await.unwrap();
}

#[tokio::test]
async fn a_probe_that_stays_keeps_its_number_and_its_task() {
    let target = |host, rise| {
        let rise = std::num::NonZeroU16::new(rise).unwrap();
        ProbeTarget {
            spec: Arc::new(ProbeSpec {
                target: ([127, 0, 0, host], 1).into(),
                route: None,
                check: Arc::new(Check {
                    rise,
                    ..(*check(SECOND * 3600)).clone()
                }),
            }),
            subscribers: Vec::new(),
        }
    };
    let (sender, _reports) = mpsc::channel(16);
    let mut running = ProbeTasks::new(Prober::new(), sender);
    let tasks = |running: &ProbeTasks| -> Vec<_> {
        let running = running.running.iter();
        let tasks = running.map(|(_, (probe, task))| (probe.id, task.0.id()));
        // Task numbers have no order.
        tasks.collect::<BTreeMap<_, _>>().into_iter().collect()
    };
    let first = running.change_to(&[target(1, 1), target(2, 1)]);
    assert_eq!(ids(&first), [0, 1].map(ProbeId));
    let before = tasks(&running);
    let second = running.change_to(&[target(3, 1), target(2, 5), target(1, 1)]);
    let another_rise = "another rise is the same probe";
    assert_eq!(ids(&second), [2, 1, 0].map(ProbeId), "{another_rise}");
    assert_eq!(tasks(&running)[..2], before[..]);
    assert!(Arc::ptr_eq(&first[1].rate, &second[1].rate));
    let third = running.change_to(&[target(3, 1)]);
    assert_eq!(ids(&third), [ProbeId(2)]);
    assert_eq!(tasks(&running).len(), 1);
}

#[tokio::test]
async fn a_sleeping_probe_is_small() {
    let prober = Arc::new(Prober::new());
    let spec = Arc::new(ProbeSpec {
        target: ([127, 0, 0, 1], 80).into(),
        check: check(SECOND),
        route: None,
    });
    let (sender, _reports) = mpsc::channel(1);
    let probe = move || {
        let (prober, spec) = (Arc::clone(&prober), Arc::clone(&spec));
        async move { prober.probe(spec.target, &spec.check).await }
    };
    let task = run(
        ProbeId(0),
        every_second(),
        Arc::default(),
        probe,
        sender,
        None,
    );
    let size = std::mem::size_of_val(&task);
    assert!(size <= 400, "{size} bytes");
}

/// Many thousands may be in flight, when real servers take long to answer. What is measured is all
/// that the task allocates for a probe, and not the check's part of it alone.
#[tokio::test]
async fn a_probe_in_flight_is_small() {
    let prober = Arc::new(Prober::new());
    let spec = Arc::new(ProbeSpec {
        target: ([127, 0, 0, 1], 80).into(),
        check: check(SECOND),
        route: None,
    });
    let (sender, _reports) = mpsc::channel(1);
    let probe = move || {
        let (prober, spec) = (Arc::clone(&prober), Arc::clone(&spec));
        async move { prober.probe_spec(&spec).await }
    };
    let size = std::mem::size_of_val(&probe_once(ProbeId(0), &probe, &sender));
    assert!(size <= 1500, "{size} bytes");
}

#[tokio::test(start_paused = true)]
async fn the_pace_of_now_decides_without_waking_the_sleeper() {
    let start = clock::monotonic();
    let intervals = Intervals {
        normal: SECOND * 10,
        fast: SECOND,
        down: SECOND * 60,
    };
    let schedule = Schedule::spread(start, intervals, 0, 1);
    let rate = Arc::new(SharedProbeRate::default());
    rate.set(ProbeRate::Normal);
    let (sender, mut reports) = mpsc::channel(1);
    let probe = || async { passed() };
    let task = run(ProbeId(0), schedule, Arc::clone(&rate), probe, sender, None);
    let _task = ProbeTask(tokio::spawn(task));
    let mut started = Vec::new();
    for next in [
        ProbeRate::Normal,
        ProbeRate::Fast,
        ProbeRate::Fast,
        ProbeRate::Down,
        ProbeRate::Normal,
    ] {
        started.push((reports.recv().await.unwrap().started - start).as_secs());
        rate.set(next);
    }
    assert_eq!(started, [0, 10, 11, 12, 72]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_brought_forward_wakes_the_sleeper_and_is_followed_while_it_is_refused() {
    let start = clock::monotonic();
    let hour = SECOND * 3600;
    let intervals = Intervals {
        normal: hour,
        fast: hour,
        down: hour,
    };
    let schedule = Schedule::spread(start, intervals, 0, 1);
    let rate = Arc::new(SharedProbeRate::default());
    let (sender, mut reports) = mpsc::channel(1);
    let refused = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let probe = {
        let refused = Arc::clone(&refused);
        move || {
            let refused = refused.load(std::sync::atomic::Ordering::Relaxed);
            async move {
                let mut outcome = passed();
                if refused {
                    outcome.result = ProbeResult::Refused;
                }
                outcome
            }
        }
    };
    let task = run(ProbeId(0), schedule, Arc::clone(&rate), probe, sender, None);
    let _task = ProbeTask(tokio::spawn(task));
    reports.recv().await.unwrap();
    rate.set(ProbeRate::Normal);
    tokio::time::sleep(SECOND * 5).await;

    refused.store(true, std::sync::atomic::Ordering::Relaxed);
    rate.bring_forward();
    for number in 1..=3_u32 {
        let report = reports.recv().await.unwrap();
        assert_eq!(report.outcome.result, ProbeResult::Refused);
        // Tokio's timers are of milliseconds.
        let since = report.started - (start + SECOND * 5);
        assert!(since <= Duration::from_millis(11) * number, "{since:?}");
        rate.set(if number < 3 {
            ProbeRate::Fast
        } else {
            ProbeRate::Down
        });
    }
    let next = reports.recv().await.unwrap().started - start;
    assert_eq!(next, hour);
}

/// As after a reload that gives a probe another real server, which has no verdict.
#[tokio::test(start_paused = true)]
async fn a_probe_that_becomes_urgent_does_not_wait_for_its_interval() {
    let start = clock::monotonic();
    let intervals = Intervals {
        normal: SECOND * 3600,
        fast: SECOND,
        down: SECOND * 3600,
    };
    let schedule = Schedule::spread(start, intervals, 0, 1);
    let rate = Arc::new(SharedProbeRate::default());
    let (sender, mut reports) = mpsc::channel(1);
    let probe = || async { passed() };
    let task = run(ProbeId(0), schedule, Arc::clone(&rate), probe, sender, None);
    let _task = ProbeTask(tokio::spawn(task));
    reports.recv().await.unwrap();
    rate.set(ProbeRate::Normal);
    tokio::time::sleep(SECOND * 100 + SECOND / 4).await;
    rate.set(ProbeRate::Fast);
    let next = reports.recv().await.unwrap().started - start;
    assert!(next <= SECOND * 102, "{next:?}");
}
