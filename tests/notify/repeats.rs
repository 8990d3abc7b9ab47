//! Groups of events, and conditions that go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::support::{PATIENCE, Recorder, until};
use crate::{Bench, all};

#[test]
fn simultaneous_events_are_one_message() {
    let web = Recorder::start(|_| Some(200));
    let hook = Recorder::start(|_| Some(200));
    let bench = Bench::new(&web, 5);
    let notify = format!(
        "- {{ name: ops, group_wait: 10s, webhook: {{ url: 'http://{}/' }} }}",
        hook.address
    );
    let _agent = bench.start(&notify);
    bench.wait_for_notifications("ops", "delivered", 5);
    let bodies = hook.bodies();
    let [group] = bodies.as_slice() else {
        panic!("{bodies:?}");
    };
    assert_eq!(group["event"], "group");
    assert_eq!(group["mode"], "director");
    assert_eq!(group["count"], 5);
    let events = group["events"].as_array().unwrap();
    assert_eq!(all(events, "event"), ["real_server_up"; 5]);
    assert_eq!(group["at"], events[4]["at"]);
}

#[test]
fn condition_is_repeated_until_it_ends() {
    let status = Arc::new(AtomicU16::new(503));
    let web = {
        let status = Arc::clone(&status);
        Recorder::start(move |_| Some(status.load(Ordering::SeqCst)))
    };
    let [repeated, once] = [(); 2].map(|()| Recorder::start(|_| Some(200)));
    let bench = Bench::new(&web, 1);
    let notify = format!(
        "- {{ repeat_interval: 1s, webhook: {{ url: 'http://{}/' }} }}\n\
         - {{ webhook: {{ url: 'http://{}/' }} }}",
        repeated.address, once.address
    );
    let _agent = bench.start(&notify);
    let continues = |hook: &Recorder, kind: &str| -> Vec<Value> {
        let bodies = hook.bodies().into_iter();
        let of_kind = bodies.filter(|event| event["condition"] == *kind);
        of_kind
            .filter(|event| event["event"] == "condition_continues")
            .collect()
    };
    for kind in ["real_server_down", "quorum_lost"] {
        let reported = until(PATIENCE, kind, || match continues(&repeated, kind) {
            enough if enough.len() >= 3 => Ok(enough),
            fewer => Err(fewer),
        });
        let subject = if kind == "quorum_lost" {
            "web"
        } else {
            "web/rs1"
        };
        assert_eq!(all(&reported[..3], "subject"), [subject; 3]);
        assert!(
            !reported[0]["fix"].as_str().unwrap().is_empty(),
            "{reported:?}"
        );
    }

    status.store(200, Ordering::SeqCst);
    // The next examination ends both; one message may be on its way by then.
    let has_ended = || {
        let answer = crate::exchange(bench.listen, "GET", "/status", PATIENCE).unwrap();
        let status: Value = serde_json::from_str(&answer.body).unwrap();
        let conditions = status["conditions"].as_array().unwrap();
        conditions.is_empty().then_some(()).ok_or(status)
    };
    until(PATIENCE, "end of the conditions", has_ended);
    // The queue is in order: what comes after this is news after the end.
    assert!(bench.run("reload", &[]).status.success());
    until(PATIENCE, "reload", || {
        let events = repeated.bodies();
        let kinds = all(&events, "event").join(" ");
        kinds
            .contains("reload_succeeded")
            .then_some(())
            .ok_or(kinds)
    });
    let reported = repeated.bodies().len();
    // Three intervals of a condition that begins anew elsewhere.
    status.store(503, Ordering::SeqCst);
    let after = until(PATIENCE, "the next outage", || {
        let after = repeated.bodies().split_off(reported);
        let kinds = all(&after, "event").join(" ");
        if kinds.contains("condition_continues") {
            Ok(kinds)
        } else {
            Err(kinds)
        }
    });
    assert!(after.starts_with("real_server_down quorum_lost"), "{after}");
    assert_eq!(continues(&once, "real_server_down"), [] as [Value; 0]);
}
