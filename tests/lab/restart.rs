//! Kill -9 of the director's agent under traffic.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::cluster::{Cluster, Ending, QUICK, request};
use crate::support::{PATIENCE, Web, ipvsadm_save, until};
use nix::sys::signal::Signal;

#[test]
fn ten_kills_lose_no_request_and_change_nothing() {
    // A verdict for slowness would change the table.
    let cluster = Cluster::new(&QUICK.replace("timeout: 10s", "timeout: 30s"));
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let right = ipvsadm_save(&cluster.lan.director);

    let over = AtomicBool::new(false);
    let [requests, looks] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let counts = || {
        (
            requests.load(Ordering::SeqCst),
            looks.load(Ordering::SeqCst),
        )
    };
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                request(&cluster.lan.client).expect("an answer");
                requests.fetch_add(1, Ordering::SeqCst);
            }
        });
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                assert_eq!(ipvsadm_save(&cluster.lan.director), right);
                looks.fetch_add(1, Ordering::SeqCst);
            }
        });
        let end = Ending(&over);
        for _ in 0..10 {
            let before = counts();
            until(PATIENCE, "five more requests and two more looks", || {
                let now = counts();
                let enough = now.0 >= before.0 + 5 && now.1 >= before.1 + 2;
                if enough { Ok(()) } else { Err((before, now)) }
            });
            agent.signal(Signal::SIGKILL);
            agent.wait(PATIENCE);
            agent = cluster.direct();
            agent.wait_for_line(PATIENCE, |line| {
                line.contains("real server up") && line.contains("rs2")
            });
        }
        drop(end);
        client.join().expect("no failed request");
        watcher.join().expect("no change of the table");
    });
}
