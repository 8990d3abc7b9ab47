//! A drain under connections that live.

use std::net::TcpStream;
use std::thread;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, QUICK, VIP};
use crate::support::{PATIENCE, Web, until};

#[test]
fn none_is_cut_no_new_one_arrives_and_it_ends_with_the_last() {
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
