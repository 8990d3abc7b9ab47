//! The agent stands still, as in a virtual machine that is suspended.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, QUICK, metric};
use crate::support::{PATIENCE, Web, ipvsadm_save, until};

/// For far longer than a probe may take, with one failure enough for a verdict.
#[test]
fn probes_delayed_by_a_stopped_agent_take_no_real_server_down() {
    let touchy = QUICK.replace(
        "timeout: 10s, rise: 2, fall: 2",
        "timeout: 5s, rise: 2, fall: 1",
    );
    let cluster = Cluster::new(&touchy);
    let director = &cluster.lan.director;
    let _rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let rs2 = Web::start(&cluster.lan.rs2, "rs2");
    let agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let right = ipvsadm_save(director);

    let probes = r#"lvs_probes_total{service="web",real_server="rs1",result="ok"}"#;
    for _ in 0..2 {
        let before = metric(director, probes);
        agent.signal(Signal::SIGSTOP);
        std::thread::park_timeout(Duration::from_secs(12));
        agent.signal(Signal::SIGCONT);
        until(PATIENCE, "further probes", || {
            match metric(director, probes) {
                now if now >= before + 3.0 => Ok(()),
                now => Err(now),
            }
        });
        assert_eq!(ipvsadm_save(director), right);
    }
    let output = agent.output();
    assert!(!output.contains("real server down"), "{output}");

    drop(rs2);
    cluster.wait_for_weight("192.168.11.22", 0);
}
