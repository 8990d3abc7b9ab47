//! How a real server comes back: in steps, and later each time.

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, QUICK, metric, weights};
use crate::support::{Behaviour, PATIENCE, Web, ipvsadm_save, until};

/// rs1 with weight 80, and so many seconds to get there.
fn slow(seconds: u32) -> String {
    QUICK
        .replace(
            "rs1, address: 192.168.11.21",
            "rs1, address: 192.168.11.21, weight: 80",
        )
        .replace(
            "    real_servers:",
            &format!("    slow_start: {seconds}s\n    real_servers:"),
        )
}

/// The different weights of rs1 in their order, until one is `last` or more.
fn watch(cluster: &Cluster, last: u32) -> Vec<u32> {
    let mut seen = Vec::new();
    until(PATIENCE * 3, "such weight", || {
        let table = ipvsadm_save(&cluster.lan.director);
        let weight = weights(&table).first().copied().unwrap_or_default();
        if seen.last() != Some(&weight) {
            seen.push(weight);
        }
        if weight >= last { Ok(()) } else { Err(table) }
    });
    seen
}

fn assert_steps(seen: &[u32]) {
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(
        seen.iter()
            .all(|weight| [0, 10, 20, 30, 40, 50, 60, 70, 80].contains(weight)),
        "{seen:?}"
    );
}

#[test]
fn a_server_that_is_new_or_was_down_rises_in_steps() {
    let cluster = Cluster::new(&slow(20));
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let _agent = cluster.direct();
    let seen = watch(&cluster, 80);
    assert_steps(&seen);
    assert!(seen.len() >= 5, "{seen:?}");

    rs1.behave(Behaviour::Unavailable);
    cluster.wait_for_weight("192.168.11.21", 0);
    rs1.behave(Behaviour::Serve);
    let seen = watch(&cluster, 80);
    assert_steps(&seen);
    assert!(seen.len() >= 5, "{seen:?}");
}

/// Killed in the middle of it, and with a table that stays.
#[test]
fn a_restart_in_the_middle_of_a_slow_start_neither_ends_it_nor_begins_it_anew() {
    let cluster = Cluster::new(&slow(30));
    let _rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let mut agent = cluster.direct();
    watch(&cluster, 30);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    let table = ipvsadm_save(&cluster.lan.director);
    let found = weights(&table)[0];
    assert!(found < 80, "{table}");

    let mut agent = cluster.direct();
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("real server up") && line.contains("rs1")
    });
    let seen = watch(&cluster, 80);
    assert!(
        seen[0] == found || seen[0] == found + 10,
        "from {found}: {seen:?}"
    );
    assert_steps(&seen);
    assert!(seen.len() >= 3, "{seen:?}");
}

/// The first fall costs nothing, and each further one doubles the passes.
#[test]
fn a_server_that_keeps_falling_must_pass_for_longer() {
    let cluster = Cluster::new(QUICK);
    let director = &cluster.lan.director;
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let mut agent = cluster.direct();
    let passes = || {
        let series = "lvs_probes_total{service=\"web\",real_server=\"rs1\",result=\"ok\"}";
        metric(director, series)
    };
    cluster.wait_for_weight("192.168.11.21", 1);
    for rise in [2.0, 4.0, 8.0] {
        rs1.behave(Behaviour::Unavailable);
        cluster.wait_for_weight("192.168.11.21", 0);
        let before = passes();
        rs1.behave(Behaviour::Serve);
        cluster.wait_for_weight("192.168.11.21", 1);
        let taken = passes() - before;
        assert!(taken >= rise, "{taken} of {rise}");
    }
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("real server down") && line.contains("damped_rise=8")
    });
}
