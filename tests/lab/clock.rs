//! The wall clock jumps; nothing is decided by it.

use crate::cluster::{Cluster, QUICK, metric};
use crate::support::{Namespace, PATIENCE, Web, until};

/// Steps the machine's clock. An hour: what other tests show to each other
/// meanwhile, such as certificates, is valid for longer.
fn step(host: &Namespace, seconds: i64) {
    let now = host.run("date +%s");
    let now: i64 = now.trim().parse().expect("seconds since the epoch");
    host.run(&format!("date --set=@{}", now + seconds));
}

#[test]
fn a_jump_of_the_clock_changes_no_verdict_and_delays_none() {
    let cluster = Cluster::new(QUICK);
    let director = &cluster.lan.director;
    let _rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let rs2 = Web::start(&cluster.lan.rs2, "rs2");
    let agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);

    for seconds in [3600, -3600] {
        step(director, seconds);
        let probes = r#"lvs_probes_total{service="web",real_server="rs1",result="ok"}"#;
        let before = metric(director, probes);
        until(PATIENCE, "further probes", || {
            let now = metric(director, probes);
            if now >= before + 5.0 {
                Ok(())
            } else {
                Err(now)
            }
        });
    }
    let output = agent.output();
    assert!(!output.contains("real server down"), "{output}");

    step(director, 3600);
    drop(rs2);
    cluster.wait_for_weight("192.168.11.22", 0);
    step(director, -3600);
    let _rs2 = Web::start(&cluster.lan.rs2, "rs2");
    cluster.wait_for_weight("192.168.11.22", 1);
}
