//! Another configuration under traffic.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::cluster::{Cluster, QUICK, metric, request};
use crate::support::{Web, ipvsadm_save};

#[test]
fn weights_change_and_servers_come_and_go_without_a_failed_request() {
    let round_robin = QUICK.replace("  - name: web", "  - name: web\n    scheduler: rr");
    let cluster = Cluster::new(&round_robin);
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let _director = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let director = &cluster.lan.director;

    let over = AtomicBool::new(false);
    let requests = AtomicUsize::new(0);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                request(&cluster.lan.client).expect("an answer");
                requests.fetch_add(1, Ordering::SeqCst);
            }
        });
        let reload = |configuration: &str| {
            cluster.site.write_configuration(configuration);
            let (code, printed) = cluster.site.finish(director, &["reload"]);
            assert_eq!(code, 0, "{printed}");
            assert!(printed.contains("; 1 change in the kernel"), "{printed}");
        };
        let written = || {
            metric(
                director,
                "lvs_ipvs_operations_total{command=\"set_dest\",result=\"ok\"}",
            )
        };
        let before = written();
        let heavier = round_robin.replace("192.168.11.22 }", "192.168.11.22, weight: 5 }");
        reload(&heavier);
        assert!(written() - before < 1.5, "one message for one change");
        cluster.wait_for_weight("192.168.11.22", 5);
        let third = heavier.replace(
            "      - { name: rs1",
            "      - { name: rs3, address: 192.168.11.23 }\n      - { name: rs1",
        );
        reload(&third);
        cluster.wait_for_weight("192.168.11.23", 0);
        reload(&heavier);
        let table = ipvsadm_save(director);
        assert!(!table.contains("192.168.11.23"), "{table}");

        cluster
            .site
            .write_configuration(&heavier.replace("rs2,", "rs1,"));
        let (code, printed) = cluster.site.finish(director, &["reload"]);
        assert_eq!(code, 2, "{printed}");
        assert_eq!(ipvsadm_save(director), table);
        over.store(true, Ordering::SeqCst);
        client.join().expect("no failed request");
    });
    assert!(requests.into_inner() > 20);
}
