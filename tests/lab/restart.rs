//! Kill -9 of the director's agent under traffic, and a restart with damaged files.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, QUICK, request, shown};
use crate::support::{PATIENCE, Web, ipvsadm_save, until, while_repeating};

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

    let ask = || {
        request(&cluster.lan.client).expect("an answer");
    };
    let look = || assert_eq!(ipvsadm_save(&cluster.lan.director), right);
    while_repeating(ask, |requests| {
        while_repeating(look, |looks| {
            for _ in 0..10 {
                requests.wait_for(5);
                looks.wait_for(2);
                agent.signal(Signal::SIGKILL);
                agent.wait(PATIENCE);
                agent = cluster.direct();
                agent.wait_for_line(PATIENCE, |line| {
                    line.contains("real server up") && line.contains("rs2")
                });
            }
        });
    });
}

/// What is in the kernel is taken over as it is. Only what the files alone tell is lost:
/// a drain, and what was no longer configured.
#[test]
fn damaged_files_fail_no_request_and_are_reported() {
    let old = "  - name: old\n    address: 192.168.11.201:80\n    \
               check: { http: {}, interval: 300ms, timeout: 30s, rise: 2, fall: 2 }\n    \
               real_servers: [{ name: rs1, address: 192.168.11.21 }]\n";
    let quick = QUICK.replace("timeout: 10s", "timeout: 30s");
    let cluster = Cluster::new(&quick);
    let director = &cluster.lan.director;
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    cluster.site.write_configuration(&format!("{quick}{old}"));
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    let (code, printed) = cluster.site.finish(director, &["drain", "web/rs2"]);
    assert_eq!(code, 0, "{printed}");
    cluster.wait_for_weight("192.168.11.22", 0);
    let serving = "-a -t 192.168.11.201:80 -r 192.168.11.21:80 -g -w 1";
    until(PATIENCE, serving, || {
        let table = ipvsadm_save(director);
        if table.contains(serving) {
            Ok(())
        } else {
            Err(table)
        }
    });

    let ask = || {
        request(&cluster.lan.client).expect("an answer");
    };
    while_repeating(ask, |_| {
        agent.signal(Signal::SIGTERM);
        agent.wait(PATIENCE);
        // In the order of their conditions: what is worse comes first.
        let files = ["drains.json", "director.json"];
        let files = files.map(|file| cluster.site.state_directory().join(file));
        for file in &files {
            let whole = fs::read(file).unwrap();
            fs::write(file, &whole[..whole.len() / 3]).unwrap();
        }
        cluster.site.write_configuration(&quick);
        let _agent = cluster.direct();
        // Its drain is lost.
        cluster.wait_for_weight("192.168.11.22", 1);
        let table = ipvsadm_save(director);
        for line in [
            "-a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1",
            serving,
        ] {
            assert!(table.contains(line), "{table}");
        }
        let status: Value = serde_json::from_str(&shown(director, "/status")).unwrap();
        let conditions = status["conditions"].as_array().unwrap().iter();
        let damaged = conditions.filter(|one| one["type"] == "state_file_damaged");
        let subjects: Vec<_> = damaged
            .map(|one| one["subject"].as_str().unwrap())
            .collect();
        let aside = files.map(|file| format!("{}.damaged", file.display()));
        assert_eq!(subjects, aside, "{status}");
        let vip = director.run("ip -o address show to 192.168.11.201");
        assert!(vip.contains("eth0"), "{vip}");
    });
}
