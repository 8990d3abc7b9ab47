use expect_test::{Expect, expect};

use super::*;
use crate::http::status::json;
use crate::snapshot::{Snapshot, fixture};

fn check(snapshot: &Snapshot, expected: &Expect) {
    let status = serde_json::from_slice(&json(snapshot).unwrap()).unwrap();
    let now = fixture::noon() + Duration::from_secs(65);
    let mut out = Vec::new();
    render(&status, now, &mut out).unwrap();
    expected.assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn a_director_for_people() {
    check(&fixture::director(), &expect![]);
}

#[test]
fn a_real_server_for_people() {
    let snapshot = fixture::real_server();
    snapshot.reconcile.lock().error = Some("cannot write net.ipv4.conf.all.arp_ignore".to_owned());
    check(&snapshot, &expect![]);
}

#[test]
fn ages_are_short() {
    let now = fixture::noon();
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (3600, "1h"),
        (3 * 86400 + 4 * 3600 + 5 * 60, "3days 4h"),
    ] {
        assert_eq!(age(now - Duration::from_secs(seconds), now), text);
    }
    assert_eq!(age(now + PERIOD, now), "0s");
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    for watch in [false, true] {
        let error = run(&path, false, watch).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "there is no control socket {}: is lvs-agent running?",
                path.display()
            )
        );
    }
}
