//! A drain under connections that live.

use std::net::TcpStream;
use std::thread;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, QUICK, VIP};
use crate::support::{PATIENCE, Web, until};

#[test]
fn drain_keeps_connections_accepts_no_new_ones_and_ends_with_the_last() {
    let one = QUICK.replace("      - { name: rs2, address: 192.168.11.22 }\n", "");
    assert_ne!(one, QUICK);
    let cluster = Cluster::new(&one);
    let _web = Web::start(&cluster.lan.rs1, "rs1");
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let connect = || cluster.lan.client.enter(|| TcpStream::connect(VIP));
    let living = connect().unwrap();

    let director = &cluster.lan.director;
    let drain = |deadline: &str| {
        cluster.site.finish(
            director,
            &["drain", "web/rs1", "--wait", "--deadline", deadline],
        )
    };
    let (code, printed) = drain("5s");
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains("web/rs1: 1 active connections left"),
        "{printed}"
    );
    cluster.wait_for_weight("192.168.11.21", 0);
    assert!(connect().is_err(), "a new connection");
    let table = director.run("ipvsadm -Ln");
    let row = table
        .lines()
        .find(|line| line.contains("192.168.11.21:80"))
        .unwrap();
    let active = row.split_whitespace().nth(4);
    assert_eq!(active, Some("1"), "{table}");

    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    let _agent = cluster.direct();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| drain("5m"));
        until(PATIENCE, "the drain again", || {
            let (_, status) = cluster.site.finish(director, &["status"]);
            if status.contains("draining") {
                Ok(())
            } else {
                Err(status)
            }
        });
        assert!(!waiting.is_finished());
        drop(living);
        let (code, printed) = waiting.join().unwrap();
        assert_eq!(code, 0, "{printed}");
        assert!(printed.ends_with("web/rs1: drained\n"), "{printed}");
    });
    let (code, _) = cluster.site.finish(director, &["undrain", "web/rs1"]);
    assert_eq!(code, 0);
    cluster.wait_for_weight("192.168.11.21", 1);
    connect().unwrap();
}

#[test]
fn persistent_client_is_moved_or_drain_prints_a_note() {
    let persistent = QUICK.replace(
        "    check:",
        "    persistence: { timeout: 10m }\n    check:",
    );
    let cluster = Cluster::new(&persistent);
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let mut agent = cluster.direct();
    let address = |page: &str| page.replace("rs", "192.168.11.2");
    for page in ["rs1", "rs2"] {
        cluster.wait_for_weight(&address(page), 1);
    }
    let director = &cluster.lan.director;
    let drain = |page: &str| {
        let target = format!("web/{page}");
        let (code, printed) = cluster.site.finish(director, &["drain", &target]);
        assert_eq!(code, 0, "{printed}");
        cluster.wait_for_weight(&address(page), 0);
        printed
    };
    let first = cluster.request().unwrap();
    assert_eq!(cluster.request().unwrap(), first, "it is kept");
    let printed = drain(&first);
    assert!(!printed.contains("note:"), "{printed}");
    let second = cluster.request().unwrap();
    assert_ne!(second, first);
    let target = format!("web/{first}");
    let (code, printed) = cluster.site.finish(director, &["undrain", &target]);
    assert_eq!(code, 0, "{printed}");
    cluster.wait_for_weight(&address(&first), 1);

    let off = persistent.replace(
        "resync_interval: 1s }\nreal_server",
        "resync_interval: 1s, sysctls: { net.ipv4.vs.expire_quiescent_template: 0 } }\nreal_server",
    );
    assert_ne!(off, persistent);
    cluster.site.write_configuration(&off);
    let (code, printed) = cluster.site.finish(director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    let printed = drain(&second);
    assert!(
        printed.contains("expire_quiescent_template is 0: clients"),
        "{printed}"
    );
    assert_eq!(cluster.request().unwrap(), second, "as the note says");

    agent.signal(Signal::SIGTERM);
    agent.wait(PATIENCE);
    let drains = cluster.site.state_directory().join("drains.json");
    assert!(drains.exists());
    let (code, printed) = cluster.site.finish(director, &["cleanup"]);
    assert_eq!(code, 0, "{printed}");
    assert!(
        printed.contains("# nothing is drained any more"),
        "{printed}"
    );
    assert!(!drains.exists());
}

/// The weight column of `ipvsadm -Ln`.
fn weight(table: &str, real_server: &str) -> Option<u32> {
    let row = table.lines().find(|line| line.contains(real_server))?;
    row.split_whitespace().nth(3)?.parse().ok()
}

#[test]
fn weight_of_an_operator_is_in_the_kernel_also_after_a_restart() {
    let weighted = QUICK.replace(" }\n      - {", ", weight: 8 }\n      - {");
    assert_ne!(weighted, QUICK);
    let cluster = Cluster::new(&weighted);
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 8);
    cluster.wait_for_weight("192.168.11.22", 1);
    let director = &cluster.lan.director;
    let set = |words: &[&str]| {
        let words = [&["weight"], words].concat();
        let (code, printed) = cluster.site.finish(director, &words);
        assert_eq!(code, 0, "{printed}");
    };
    let wait_for = |weights: [u32; 2]| {
        until(PATIENCE, &format!("weights {weights:?}"), || {
            let table = director.run("ipvsadm -Ln");
            let rows = ["192.168.11.21:80", "192.168.11.22:80"];
            if rows.map(|row| weight(&table, row)) == weights.map(Some) {
                Ok(())
            } else {
                Err(table)
            }
        });
    };
    set(&["web/rs1", "50%"]);
    set(&["192.168.11.22", "70000"]);
    wait_for([4, 70000]);

    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    // What another program does meanwhile is drift to the new process.
    director.run("ipvsadm -e -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1");
    let mut agent = cluster.direct();
    wait_for([4, 70000]);
    let (_, status) = cluster.site.finish(director, &["status"]);
    assert!(status.contains("rs1: weight set to 50% "), "{status}");
    set(&["web", "reset"]);
    wait_for([8, 1]);
    agent.signal(Signal::SIGTERM);
    agent.wait(PATIENCE);
    let _agent = cluster.direct();
    wait_for([8, 1]);
}
