//! Webhooks over TLS.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Authority, PATIENCE, Recorder, exchange, until};
use crate::{Bench, all};

/// The file of an authority that is trusted; it lies in the bench's directory.
fn trusted(bench: &Bench, authority: &Authority) -> PathBuf {
    let path = bench.site.directory().join("ca.pem");
    authority.write(&path);
    path
}

#[test]
fn certificate_of_the_configured_authority_is_accepted() {
    let web = Recorder::start(|_| Some(200));
    let ours = Authority::new();
    let hook = Recorder::start_tls(ours.server("127.0.0.1"), |_| Some(204));
    let bench = Bench::new(&web, 1);
    let notify = format!(
        "- webhook: {{ url: 'https://{}/lvs', ca: {} }}",
        hook.address,
        trusted(&bench, &ours).display()
    );
    let _agent = bench.start(&notify);
    bench.wait_for_notifications(0, "delivered", 1);
    assert!(
        hook.requests()[0]
            .head
            .starts_with("post /lvs http/1.1\r\n")
    );
    assert_eq!(hook.bodies()[0]["event"], "real_server_up");
}

/// Of an unknown authority, and for another name: tried four times with
/// growing pauses, counted, and said once.
#[test]
fn a_certificate_that_is_not_valid_is_refused() {
    let web = Recorder::start(|_| Some(200));
    let (ours, theirs) = (Authority::new(), Authority::new());
    let strange = Recorder::start_tls(theirs.server("127.0.0.1"), |_| Some(204));
    let misnamed = Recorder::start_tls(ours.server("hooks.example.com"), |_| Some(204));
    let bench = Bench::new(&web, 3);
    let ca = trusted(&bench, &ours);
    let notify: String = [&strange, &misnamed]
        .map(|hook| {
            let ca = ca.display();
            format!(
                "- webhook: {{ url: 'https://{}/secret', ca: {ca} }}\n",
                hook.address
            )
        })
        .concat();
    let agent = bench.start(&notify);
    let faults = ["signature is not its authority's", "and not for "];
    for (target, hook) in [&strange, &misnamed].into_iter().enumerate() {
        bench.wait_for_notifications(target, "failed", 2);
        assert!(hook.connections() >= 8, "four attempts for each of two");
        assert_eq!(hook.requests(), [], "nothing was told");
        assert_eq!(bench.notifications(target, "delivered"), 0);
        let output = agent.output();
        let name = format!("to=\"notify[{target}]\"");
        let warnings: Vec<_> = output.lines().filter(|line| line.contains(&name)).collect();
        assert_eq!(warnings.len(), 1, "{output}");
        assert!(warnings[0].contains(faults[target]), "{output}");
        assert!(!output.contains("/secret"), "{output}");
    }
}

#[test]
fn certificate_is_accepted_after_its_authority_is_configured() {
    let web = Recorder::start(|_| Some(200));
    let ours = Authority::new();
    let hook = Recorder::start_tls(ours.server("127.0.0.1"), |_| Some(204));
    let bench = Bench::new(&web, 1);
    let missing = bench.site.directory().join("ca.pem");
    let notify = format!(
        "- webhook: {{ url: 'https://{}/', ca: {} }}",
        hook.address,
        missing.display()
    );
    let mut agent = bench.start(&notify);
    bench.wait_for_notifications(0, "failed", 1);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("a notification was not delivered") && line.contains("ca.pem")
    });
    ours.write(&missing);
    bench.run("reload", &[]);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("notifications are delivered again")
    });
    until(PATIENCE, "the reload", || {
        let events = hook.bodies();
        let is_told = all(&events, "event").contains(&"reload_succeeded");
        is_told.then_some(()).ok_or(events)
    });
}

/// The reasons of the conditions about files of TLS that `/status` shows.
fn stale(bench: &Bench) -> Vec<String> {
    let answer = exchange(bench.listen, "GET", "/status", PATIENCE).unwrap();
    let status: Value = serde_json::from_str(&answer.body).unwrap();
    let conditions = status["conditions"].as_array().unwrap().iter();
    let stale = conditions.filter(|one| one["type"] == "tls_files_stale");
    let reported = stale.map(|one| {
        assert_eq!(one["severity"], "warning", "{one}");
        assert!(
            one["subject"].as_str().unwrap().ends_with("ca.pem"),
            "{one}"
        );
        one["message"].as_str().unwrap().to_owned()
    });
    reported.collect()
}

#[test]
fn files_that_cannot_be_read_are_a_condition_until_they_can_be_without_any_event() {
    let web = Recorder::start(|_| Some(200));
    let ours = Authority::new();
    let hook = Recorder::start_tls(ours.server("127.0.0.1"), |_| Some(204));
    let bench = Bench::new(&web, 1);
    let missing = bench.site.directory().join("ca.pem");
    let url = format!("https://{}/", hook.address);
    let notify = format!("- webhook: {{ url: '{url}', ca: {} }}", missing.display());
    let mut agent = bench.start(&notify);
    agent.wait_for_line(PATIENCE, |line| line.contains("director: "));
    let message = until(PATIENCE, "a condition", || match &*stale(&bench) {
        [message] => Ok(message.clone()),
        other => Err(other.to_vec()),
    });
    assert!(
        message.starts_with("the files of TLS cannot be read: "),
        "{message}"
    );
    // Those of the real server and of the condition are given up, and no other comes.
    bench.wait_for_notifications(0, "failed", 2);
    ours.write(&missing);
    until(PATIENCE, "no condition", || match &*stale(&bench) {
        [] => Ok(()),
        other => Err(other.to_vec()),
    });

    let first = until(PATIENCE, "an event", || {
        hook.bodies().first().cloned().ok_or("nothing was told")
    });
    assert_eq!(first["event"], "condition_cleared", "no event was needed");
    assert_eq!(first["condition"], "tls_files_stale");

    // A target that is not configured any more has no condition.
    std::fs::remove_file(&missing).unwrap();
    bench.configure(&notify.replace("ca.pem", "other-ca.pem"));
    bench.run("reload", &[]);
    until(PATIENCE, "a condition", || match &*stale(&bench) {
        [_] => Ok(()),
        other => Err(other.to_vec()),
    });
    bench.configure("- exec: [/bin/true]");
    bench.run("reload", &[]);
    until(PATIENCE, "no condition", || match &*stale(&bench) {
        [] => Ok(()),
        other => Err(other.to_vec()),
    });
}

#[test]
fn without_verification_any_certificate_is_accepted() {
    let web = Recorder::start(|_| Some(200));
    let hook = Recorder::start_tls(Authority::new().server("other"), |_| Some(204));
    let bench = Bench::new(&web, 1);
    let notify = format!(
        "- webhook: {{ url: 'https://{}/', verify: false }}",
        hook.address
    );
    let _agent = bench.start(&notify);
    let events = until(PATIENCE, "event", || match hook.bodies() {
        none if none.is_empty() => Err(()),
        events => Ok(events),
    });
    assert_eq!(events[0]["event"], "real_server_up");
}
