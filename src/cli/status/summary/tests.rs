use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::status::document::{Filter, json};
use crate::status::{Snapshot, fixture};

fn check(snapshot: &Snapshot, expected: &Expect) {
    let filter = Filter {
        problems: true,
        ..Filter::default()
    };
    let status = serde_json::from_slice(&json(snapshot, &filter).unwrap()).unwrap();
    let now = fixture::start() + Duration::from_secs(65);
    let mut out = Vec::new();
    render(&status, now, Canvas::default(), &mut out).unwrap();
    expected.assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn numbers_of_a_director() {
    let mut snapshot = fixture::director();
    snapshot.process.dry_run = true;
    snapshot.reload.lock().error = Some("cluster.yaml:3:1: no such key".to_owned());
    fixture::examine(&snapshot);
    check(
        &snapshot,
        &expect![[r"
            lvs1: director, lvs-agent 0.1.0, running for 1m 5s
            dry run: nothing is written
            2 virtual services
            real servers: 1 of 3 down, 1 up, 1 unknown, 0 draining, 0 drained
            conditions: 0 problems, 0 warnings
            /etc/lvs-agent/config.yaml loaded 1m 5s ago
            the last reload failed: cluster.yaml:3:1: no such key
            the kernel was as configured 5s ago
        "]],
    );
}

#[test]
fn numbers_of_a_real_server() {
    check(
        &fixture::real_server(),
        &expect![[r"
            web1: real server, lvs-agent 0.1.0, running for 1m 5s
            0 of 1 virtual service ready
            conditions: 0 problems, 0 warnings
            /etc/lvs-agent/config.yaml loaded 1m 5s ago
            the kernel has not been as configured yet
        "]],
    );
}
