//! The director on the how-to's LAN.

use std::collections::BTreeMap;

use crate::cluster::{Cluster, QUICK, VIP, metric, shown};
use crate::howto;
use crate::support::{Behaviour, Lan, PATIENCE, Site, Web, ipvsadm_save, nginx, until};

/// `config/cluster.yaml`, with the two paths that each test has for itself left out.
fn shipped_configuration() -> String {
    let text = include_str!("../../config/cluster.yaml");
    let mut lines = Vec::new();
    let mut skipping = false;
    for line in text.lines() {
        let top_level = line.starts_with(|c: char| c.is_ascii_lowercase());
        if top_level {
            skipping = line.starts_with("control:") || line.starts_with("state_dir:");
        }
        if !skipping {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn shipped_configuration_makes_the_table_of_the_how_to() {
    let by_hand = Lan::new();
    let expected = howto::configure(&by_hand);
    let cluster = Cluster::new(&shipped_configuration());
    let _pages = [
        nginx(&cluster.lan.director, "director"),
        nginx(&cluster.lan.rs1, "rs1"),
        nginx(&cluster.lan.rs2, "rs2"),
    ];
    let _director = cluster.direct();
    until(PATIENCE, "the how-to's table", || {
        let table = ipvsadm_save(&cluster.lan.director);
        if table == expected {
            Ok(())
        } else {
            Err(table)
        }
    });
    let address = "ip -o address show dev eth0 to 192.168.11.200";
    let strip = |line: String| line.split_once("inet").unwrap().1.to_owned();
    assert_eq!(
        strip(cluster.lan.director.run(address)),
        strip(by_hand.director.run(address)),
        "the VIP on eth0:0"
    );
    let on_lo = "ip -o address show dev lo to 192.168.11.200";
    assert_eq!(
        strip(cluster.lan.rs1.run(on_lo)),
        strip(by_hand.rs1.run(on_lo))
    );

    // One connection a request, as a browser's reload after a while.
    let mut curl = "curl -s --fail -H Connection:close".to_owned();
    for _ in 0..40 {
        curl.push_str(" http://192.168.11.200/");
    }
    let pages = cluster.lan.client.run(&curl);
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for page in ["rs1", "rs2", "director"] {
        count.insert(page, pages.matches(page).count());
    }
    assert_eq!(
        count,
        BTreeMap::from([("director", 0), ("rs1", 20), ("rs2", 20)]),
        "{pages}"
    );

    let (code, printed) = cluster.site.finish(&cluster.lan.director, &["plan"]);
    assert_eq!((code, printed.as_str()), (0, "nothing to change\n"));
}

/// A failing server loses its weight, the client loses nothing after that,
/// and the server is back after it passes again.
///
/// With wlc a dead server is avoided by itself for a while: the director sees
/// the client's SYN and never the refusal, and takes that for a connection.
fn fails_and_returns(behaviour: Behaviour, result: &str) {
    let round_robin = QUICK.replace("  - name: web", "  - name: web\n    scheduler: rr");
    let cluster = Cluster::new(&round_robin.replace("timeout: 10s", "timeout: 3s"));
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    let _rs2 = Web::start(&cluster.lan.rs2, "rs2");
    let _director = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);

    rs1.behave(behaviour);
    cluster.wait_for_weight("192.168.11.21", 0);
    for _ in 0..10 {
        assert_eq!(cluster.request().unwrap(), "rs2");
    }
    let status = shown(&cluster.lan.director, "/status");
    assert!(
        status.contains(&format!(r#""result":"{result}""#)),
        "{status}"
    );
    let director = &cluster.lan.director;
    let series = |name: &str| {
        metric(
            director,
            &format!("{name}{{service=\"web\",real_server=\"rs1\"}}"),
        )
    };
    assert!(series("lvs_real_server_up") < 0.5);
    assert!(metric(director, "lvs_detection_seconds_count{service=\"web\"}") > 0.5);

    // Interval and twice the deadline of a probe are 6.3 s; the rest is the
    // emulated machine's. Without the deadline it would never end.
    let detection = metric(director, "lvs_detection_seconds_sum{service=\"web\"}");
    assert!(detection < 60.0, "{detection} s");

    rs1.behave(Behaviour::Serve);
    cluster.wait_for_weight("192.168.11.21", 1);
    until(PATIENCE, "an answer of rs1", || {
        match cluster.request().unwrap() {
            page if page == "rs1" => Ok(()),
            page => Err(page),
        }
    });
}

#[test]
fn server_that_answers_503_is_down_until_it_answers_again() {
    fails_and_returns(Behaviour::Unavailable, "status");
}

#[test]
fn server_that_hangs_is_down_until_it_answers_again() {
    fails_and_returns(Behaviour::Hang, "timeout");
}

#[test]
fn server_that_sends_single_bytes_is_down_until_it_answers_again() {
    fails_and_returns(Behaviour::Trickle, "timeout");
}

#[test]
fn server_whose_nginx_is_killed_is_down_until_nginx_runs_again() {
    let cluster = Cluster::new(&QUICK.replace("  - name: web", "  - name: web\n    scheduler: rr"));
    let rs1 = nginx(&cluster.lan.rs1, "rs1");
    let _rs2 = nginx(&cluster.lan.rs2, "rs2");
    let _director = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);
    drop(rs1);
    cluster.wait_for_weight("192.168.11.21", 0);
    for _ in 0..10 {
        assert_eq!(cluster.request().unwrap(), "rs2");
    }
    let _rs1 = nginx(&cluster.lan.rs1, "rs1");
    cluster.wait_for_weight("192.168.11.21", 1);
}

#[test]
fn weight_that_was_found_stays_until_there_is_a_verdict() {
    let cluster = Cluster::new(QUICK);
    let director = &cluster.lan.director;
    director.run(&format!("ipvsadm -A -t {VIP} -s wlc"));
    director.run(&format!("ipvsadm -a -t {VIP} -r 192.168.11.21:80 -g -w 7"));
    let rs1 = Web::start(&cluster.lan.rs1, "rs1");
    rs1.behave(Behaviour::Hang);
    let mut agent = cluster.direct();
    let table = director.run("ipvsadm -Sn");
    assert!(table.contains("-r 192.168.11.21:80 -g -w 7"), "{table}");
    assert!(
        table.contains("-r 192.168.11.22:80 -g -w 0"),
        "new: {table}"
    );
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("real server down") && line.contains("rs1")
    });
    cluster.wait_for_weight("192.168.11.21", 0);
    rs1.behave(Behaviour::Serve);
    cluster.wait_for_weight("192.168.11.21", 1);
}

#[test]
fn plan_and_dry_run_write_nothing() {
    let lan = Lan::new();
    let site = Site::new(QUICK);
    let before = (
        ipvsadm_save(&lan.director),
        lan.director.run("ip -4 address"),
    );
    let (code, plan) = site.finish(&lan.director, &["plan"]);
    assert_eq!(code, 3, "{plan}");
    assert_eq!(
        plan,
        "~ sysctl net.ipv4.vs.expire_nodest_conn: 0 -> 1\n\
         ~ sysctl net.ipv4.vs.expire_quiescent_template: 0 -> 1\n\
         + virtual service tcp 192.168.11.200:80 scheduler wlc\n\
         + real server 192.168.11.21:80 of tcp 192.168.11.200:80 forwarding direct weight 0\n\
         + real server 192.168.11.22:80 of tcp 192.168.11.200:80 forwarding direct weight 0\n\
         + address 192.168.11.200/32 on eth0\n\
         # rs1 of web: weight 0 until its check passes, then 1\n\
         # rs2 of web: weight 0 until its check passes, then 1\n"
    );
    let _rs1 = Web::start(&lan.rs1, "rs1");
    let mut dry = site.start(&lan.director, &["--dry-run"]);
    dry.wait_for_line(PATIENCE, |line| {
        line.contains("would do: ~ real server 192.168.11.21:80")
    });
    drop(dry);
    assert_eq!(
        (
            ipvsadm_save(&lan.director),
            lan.director.run("ip -4 address")
        ),
        before
    );
    assert!(!site.state_directory().exists());
}
