//! What a program and a webhook are given, and what becomes of one that fails.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{PATIENCE, Recorder, until};
use crate::{Bench, all, script};

#[test]
fn a_program_gets_the_event_on_its_input_and_in_its_environment() {
    let web = Recorder::start(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    let program = script(
        directory.path(),
        "{ cat; echo \"$# $1\"; env | grep ^LVS_ | sort; } >told.new\n\
         mv told.new told",
    );
    let notify = format!("- exec: [{}, 'two words; $HOME']", program.display());
    let bench = Bench::new(&web, 1);
    let _agent = bench.start(&notify);
    let reported = until(PATIENCE, "event", || {
        fs::read_to_string(directory.path().join("told"))
    });
    let mut lines = reported.lines();

    let json: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(json["event"], "real_server_up");
    assert_eq!(json["mode"], "director");
    assert_eq!(json["service"], "web");
    assert_eq!(json["service_address"], "tcp 192.168.11.200:80");
    assert_eq!(json["real_server"], "rs1");
    assert_eq!(json["real_server_address"], "127.0.0.1:80");
    assert_eq!(json["detail"], "1 probe passed");

    assert_eq!(lines.next().unwrap(), "1 two words; $HOME");
    let environment: Vec<_> = lines.collect();
    let mut expected: Vec<_> = json
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("LVS_{}={}", key.to_uppercase(), value.as_str().unwrap()))
        .collect();
    expected.sort();
    assert_eq!(environment, expected);
    bench.wait_for_notifications(0, "delivered", 1);
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let web = Recorder::start(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    let program = script(
        directory.path(),
        "sleep 1000 &\necho $$ $! >pids.new\nmv pids.new pids\nwait",
    );
    let notify = format!("- {{ exec: [{}], timeout: 500ms }}", program.display());
    let bench = Bench::new(&web, 1);
    let _agent = bench.start(&notify);
    let pids = until(PATIENCE, "process ids", || {
        fs::read_to_string(directory.path().join("pids"))
    });
    for pid in pids.split_whitespace() {
        until(PATIENCE, "end of the program", || {
            match fs::read_to_string(format!("/proc/{pid}/stat")) {
                // A zombie waits for whoever adopted it.
                Ok(state) if !state.contains(") Z ") => Err(state),
                _ => Ok(()),
            }
        });
    }
    bench.wait_for_notifications(0, "failed", 1);
}

#[test]
fn a_webhook_gets_every_event_in_order_and_again_after_a_failure() {
    // Up for three probes, down for three, and so on.
    let web = Recorder::start(|request| {
        let passes = (request - 1) / 3 % 2 == 0;
        Some(if passes { 200 } else { 503 })
    });
    let hook = Recorder::start(|request| Some(if request == 2 { 500 } else { 204 }));
    let notify = format!(
        "- webhook: {{ url: 'http://{}/lvs?key=1', headers: {{ Authorization: Bearer 12345 }} }}",
        hook.address
    );
    let bench = Bench::new(&web, 1);
    let _agent = bench.start(&notify);
    let requests = until(PATIENCE, "six requests", || {
        let requests = hook.requests();
        if requests.len() < 6 {
            return Err(requests);
        }
        Ok(requests)
    });
    let head = &requests[0].head;
    assert!(head.starts_with("post /lvs?key=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\nauthorization: bearer 12345\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n"),
        "{head}"
    );
    let (up, down) = ("real_server_up", "real_server_down");
    let (lost, gained) = ("quorum_lost", "quorum_gained");
    assert_eq!(
        all(&hook.bodies()[..6], "event"),
        [up, down, down, lost, up, gained]
    );
    assert_eq!(
        requests[1].body, requests[2].body,
        "the same event, not the next one"
    );
    bench.wait_for_notifications(0, "delivered", 4);
    assert_eq!(bench.notifications(0, "failed"), 0);
}

#[test]
fn hanging_target_delays_no_other_and_its_dropped_events_are_counted() {
    const REAL_SERVERS: usize = 100;
    let passes = AtomicUsize::new(0);
    let web = Recorder::start(move |_| {
        let round = passes.fetch_add(1, Ordering::SeqCst) / REAL_SERVERS;
        Some(if round.is_multiple_of(2) { 200 } else { 503 })
    });
    let (hanging, hook) = (Recorder::start(|_| None), Recorder::start(|_| Some(200)));
    let notify = format!(
        "- {{ webhook: {{ url: 'http://{}/' }}, timeout: 1m }}\n\
         - {{ webhook: {{ url: 'http://{}/' }} }}",
        hanging.address, hook.address
    );
    let bench = Bench::new(&web, REAL_SERVERS);
    let mut agent = bench.start(&notify);
    bench.wait_for_notifications(0, "dropped", 1);
    assert_eq!(bench.notifications(0, "delivered"), 0);
    assert!(!hook.requests().is_empty(), "the other target is told");

    let series = "lvs_probes_total{service=\"web\",real_server=\"rs1\",result=\"ok\"}";
    let before = bench.metric(series);
    until(PATIENCE, "further probes", || {
        let now = bench.metric(series);
        if now >= before + 3 { Ok(()) } else { Err(now) }
    });
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success(), "and the end is not held up");
    let output = agent.output();
    assert!(
        output.contains("given up to=\"notify[0]\" left=1025"),
        "the whole queue, and the one in delivery: {output}"
    );
}

/// Each real server's own events are told in the order in which they
/// happened, however slow the target is.
#[test]
fn a_slow_webhook_gets_the_events_of_each_real_server_in_their_order() {
    const REAL_SERVERS: usize = 5;
    let probes = AtomicUsize::new(0);
    let web = Recorder::start(move |_| {
        let round = probes.fetch_add(1, Ordering::SeqCst) / (REAL_SERVERS * 2);
        Some(if round.is_multiple_of(2) { 200 } else { 503 })
    });
    let hook = Recorder::start(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(150));
        Some(204)
    });
    let notify = format!("- webhook: {{ url: 'http://{}/' }}", hook.address);
    let bench = Bench::new(&web, REAL_SERVERS);
    let _agent = bench.start(&notify);
    let events = until(PATIENCE, "forty events", || {
        let events = hook.bodies();
        if events.len() < 40 {
            Err(events.len())
        } else {
            Ok(events)
        }
    });
    let times = all(&events, "at");
    assert!(times.is_sorted(), "{times:?}");
    for n in 1..=REAL_SERVERS {
        let name = format!("rs{n}");
        let own: Vec<_> = events
            .iter()
            .filter(|event| event["real_server"] == *name)
            .cloned()
            .collect();
        let own = all(&own, "event");
        assert!(own.len() >= 4, "{name}: {own:?}");
        for (place, event) in own.iter().enumerate() {
            let wanted = if place.is_multiple_of(2) {
                "real_server_up"
            } else {
                "real_server_down"
            };
            assert_eq!(*event, wanted, "{name}: {own:?}");
        }
    }
    assert_eq!(bench.notifications(0, "dropped"), 0);
}
