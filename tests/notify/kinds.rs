//! Every kind of event but drift, which needs a kernel that another hand can
//! change (`tests/lab/events.rs`), reaches a program and a webhook.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;

use crate::support::{PATIENCE, Recorder, until};
use crate::{Bench, all, script};

#[test]
fn every_kind_reaches_a_program_and_a_webhook() {
    let status = Arc::new(AtomicU16::new(200));
    let web = {
        let status = Arc::clone(&status);
        Recorder::start(move |_| Some(status.load(Ordering::SeqCst)))
    };
    let hook = Recorder::start(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    let program = script(directory.path(), "cat >>told");
    let notify = format!(
        "- exec: [{}]\n- webhook: {{ url: 'http://{}/' }}",
        program.display(),
        hook.address
    );
    let mut bench = Bench::new(&web, 1);
    bench.keys = "  fail_open_below: 50%\n";
    let _agent = bench.start(&notify);
    let mut expected = Vec::new();
    let mut then = |events: &[&'static str]| {
        expected.extend_from_slice(events);
        until(PATIENCE, &format!("{events:?}"), || {
            let received = hook.bodies();
            if all(&received, "event") == expected {
                Ok(())
            } else {
                Err(received)
            }
        });
    };

    then(&["real_server_up"]);
    status.store(503, Ordering::SeqCst);
    then(&["real_server_down", "quorum_lost", "fail_open_started"]);
    status.store(200, Ordering::SeqCst);
    then(&["real_server_up", "quorum_gained", "fail_open_ended"]);

    let words = ["web/rs1", "--wait", "--reason", "new kernel"];
    assert!(bench.run("drain", &words).status.success());
    then(&["quorum_lost", "real_server_drained"]);
    assert!(bench.run("undrain", &["web/rs1"]).status.success());
    then(&["quorum_gained"]);
    assert!(bench.run("weight", &["web/rs1", "50%"]).status.success());
    then(&["real_server_weight_set"]);

    assert!(bench.run("reload", &[]).status.success());
    then(&["reload_succeeded"]);
    bench.site.write_configuration("mistake: 1");
    assert_eq!(bench.run("reload", &[]).status.code(), Some(2));
    then(&["reload_failed"]);

    let received = hook.bodies();
    let of_real_server = |event: &&Value| event["real_server"] == "rs1";
    assert_eq!(
        received.iter().filter(of_real_server).count(),
        5,
        "{received:?}"
    );
    let details = all(&received, "detail");
    let says = |text: &str| details.iter().any(|detail| detail.contains(text));
    assert!(
        says("new kernel") && says("weight set to 50% by "),
        "{received:?}"
    );
    assert!(
        details.iter().all(|detail| !detail.is_empty()),
        "{received:?}"
    );
    // The place, and nothing that stands in the file.
    let refused = details.last().unwrap();
    assert!(refused.contains("config.yaml:1:1: "), "{received:?}");
    assert!(!refused.contains("mistake"), "{received:?}");

    let executed = until(PATIENCE, "as many runs of the program", || {
        let text = fs::read_to_string(directory.path().join("told")).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str::<Value>);
        let executed: Vec<Value> = lines.collect::<Result<_, _>>().map_err(|_| text.clone())?;
        if executed.len() == received.len() {
            Ok(executed)
        } else {
            Err(text)
        }
    });
    assert_eq!(executed, received);
}
