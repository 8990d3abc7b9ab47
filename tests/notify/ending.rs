//! Events that wait when the agent ends, and when a reload changes who is told.

use nix::sys::signal::Signal;

use crate::support::{PATIENCE, Recorder, until};
use crate::{Bench, Gate, all};

/// A webhook that answers only once the gate is open.
fn behind(gate: &Gate) -> Recorder {
    let gate = gate.clone();
    Recorder::start(move |_| {
        gate.pass();
        Some(204)
    })
}

fn wait_for_requests(hook: &Recorder, wanted: usize) {
    until(PATIENCE, "requests", || match hook.requests() {
        enough if enough.len() >= wanted => Ok(()),
        requests => Err(requests),
    });
}

#[test]
fn queued_events_are_delivered_when_the_agent_ends() {
    let web = Recorder::start(|_| Some(200));
    let gate = Gate::default();
    let hook = behind(&gate);
    let bench = Bench::new(&web, 10);
    let mut agent = bench.start(&format!("- webhook: {{ url: 'http://{}/' }}", hook.address));
    for n in 1..=10 {
        agent.wait_for_line(PATIENCE, |line| {
            line.contains("real server up") && line.contains(&format!("real_server=\"rs{n}\""))
        });
    }
    wait_for_requests(&hook, 1);
    agent.signal(Signal::SIGTERM);
    agent.wait_for_line(PATIENCE, |line| line.contains("SIGTERM: ending"));
    gate.open();
    assert!(agent.wait(PATIENCE).success());
    let mut events = hook.bodies();
    events.sort_by_key(|event| event["real_server"].to_string());
    assert_eq!(all(&events, "event"), ["real_server_up"; 10]);
    assert!(!agent.output().contains("given up"), "{}", agent.output());
}

#[test]
fn reload_drops_only_events_queued_for_removed_targets() {
    let web = Recorder::start(|_| Some(200));
    let gate = Gate::default();
    let (kept, goes, comes) = (
        behind(&gate),
        Recorder::start(|_| None),
        Recorder::start(|_| Some(204)),
    );
    let bench = Bench::new(&web, 5);
    let targets = |second: &Recorder| {
        [&kept, second]
            .map(|hook| {
                format!(
                    "- {{ webhook: {{ url: 'http://{}/' }}, timeout: 1m }}\n",
                    hook.address
                )
            })
            .concat()
    };
    let mut agent = bench.start(&targets(&goes));
    for n in 1..=5 {
        agent.wait_for_line(PATIENCE, |line| {
            line.contains("real server up") && line.contains(&format!("real_server=\"rs{n}\""))
        });
    }
    wait_for_requests(&kept, 1);
    wait_for_requests(&goes, 1);
    bench.configure(&targets(&comes));
    let reload = bench.run("reload", &[]);
    assert!(reload.status.success(), "{reload:?}");
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("given up to=\"notify[1]\" left=5")
    });
    assert_eq!(bench.notifications(1, "dropped"), 5);
    bench.wait_for_notifications(1, "delivered", 1);
    assert_eq!(all(&comes.bodies(), "event"), ["reload_succeeded"]);

    gate.open();
    bench.wait_for_notifications(0, "delivered", 6);
    assert_eq!(bench.notifications(0, "dropped"), 0);
    let mut expected = vec!["real_server_up"; 5];
    expected.push("reload_succeeded");
    assert_eq!(all(&kept.bodies(), "event"), expected);
}
