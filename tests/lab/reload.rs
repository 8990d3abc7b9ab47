//! Another configuration under traffic.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::cluster::{Cluster, QUICK, metric, request, shown};
use crate::support::{Lan, Namespace, PATIENCE, Site, Web, ipvsadm_save, until, while_repeating};

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

    let ask = || {
        request(&cluster.lan.client).expect("an answer");
    };
    while_repeating(ask, |requests| {
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
        assert!(requests.ended() > 20);
    });
}

fn address(n: u32) -> String {
    format!("10.1.{}.{}", n / 250, 1 + n % 250)
}

/// One service of real servers with these numbers and weights, which pass by
/// themselves.
fn many(director: &str, real_servers: impl IntoIterator<Item = (u32, u32)>) -> String {
    let real_servers = real_servers.into_iter().map(|(n, weight)| {
        let address = address(n);
        format!("      - {{ name: rs{n}, address: {address}, weight: {weight} }}\n")
    });
    let real_servers = real_servers.collect::<Vec<_>>().concat();
    format!(
        "
http: {{ listen: 127.0.0.1:9477 }}
director: {{ resync_interval: 5m, {director} }}
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check: {{ file: {{ path: /nowhere }}, interval: 1h, timeout: 10s, rise: 1, fall: 1 }}
    real_servers:
{real_servers}"
    )
}

/// Messages that changed the table.
fn writes(director: &Namespace) -> u64 {
    let text = shown(director, "/metrics");
    let operations = text.lines().filter_map(|line| {
        let (labels, count) = line
            .strip_prefix("lvs_ipvs_operations_total{command=\"")?
            .split_once("} ")?;
        (!labels.starts_with("get_")).then(|| count.parse::<u64>().expect("a number"))
    });
    operations.sum()
}

#[test]
fn of_a_thousand_real_servers_one_change_is_one_message() {
    let lan = Lan::new();
    let director = &lan.director;
    let all = || (0..1000).map(|n| (n, 1));
    let site = Site::new(&many("", all()));
    let row = |address: &str, weight: u32| {
        format!("-a -t 192.168.11.200:80 -r {address}:80 -g -w {weight}")
    };
    // They are adopted with their weights: a thousand verdicts would take minutes.
    let rows = all().map(|(n, weight)| row(&address(n), weight) + "\n");
    let rows = rows.collect::<Vec<_>>().concat();
    let before = site.directory().join("table");
    fs::write(&before, format!("-A -t 192.168.11.200:80 -s wlc\n{rows}")).expect("a file");
    let mut restore = Command::new("sh");
    restore.args(["-c", "ipvsadm -R <\"$0\""]).arg(before);
    let restored = director.output(restore);
    assert!(restored.status.success(), "{restored:?}");
    let _agent = site.start(director, &[]);
    // The first of them is probed at once, the others within the hour.
    until(PATIENCE, "a verdict", || {
        let metrics = shown(director, "/metrics");
        let up = "lvs_real_server_up{service=\"web\",real_server=\"rs0\"} 1";
        if metrics.lines().any(|line| line == up) {
            Ok(())
        } else {
            Err("not up")
        }
    });
    let lines = || -> BTreeSet<String> {
        let table = ipvsadm_save(director);
        table.lines().map(str::to_owned).collect()
    };
    let reload = |configuration: &str, changes: &str| {
        let (before, written) = (lines(), writes(director));
        site.write_configuration(configuration);
        let (code, printed) = site.finish(director, &["reload"]);
        assert_eq!(code, 0, "{printed}");
        assert!(
            printed.ends_with(&format!("; {changes} in the kernel\n")),
            "{printed}"
        );
        let after = lines();
        let written = writes(director) - written;
        let gone: Vec<_> = before.difference(&after).cloned().collect();
        let new: Vec<_> = after.difference(&before).cloned().collect();
        (written, [gone, new].map(|lines| lines.join("\n")))
    };
    let heavier = || all().map(|(n, weight)| (n, if n == 0 { 7 } else { weight }));
    let (written, changed) = reload(&many("", heavier()), "1 change");
    assert_eq!(written, 1);
    assert_eq!(changed, [row("10.1.0.1", 1), row("10.1.0.1", 7)]);

    // One goes, one comes, and all have other places.
    let moved = heavier().filter(|(n, _)| *n != 3).collect::<Vec<_>>();
    let moved = || moved.iter().copied().rev().chain([(1000, 0)]);
    let (written, [gone, new]) = reload(&many("", moved()), "2 changes");
    assert_eq!(gone, row("10.1.0.4", 1));
    let both = [row("10.1.0.4", 0), row("10.1.4.1", 0)].join("\n");
    if new == both {
        // Its removal may come between the look at the table and that at the counters.
        assert!([2, 3].contains(&written), "{written} messages");
    } else {
        // The one that goes has gone already, by a message of its own.
        assert_eq!(new, row("10.1.4.1", 0));
        assert_eq!(written, 3);
    }
    until(PATIENCE, "removal of rs3", || {
        let lines = lines();
        if lines.contains(&row("10.1.0.4", 0)) {
            Err("it is there")
        } else {
            Ok(())
        }
    });

    let (written, unchanged) = reload(&many("", moved()), "0 changes");
    assert_eq!(written, 0);
    assert_eq!(unchanged, [""; 2]);
}

#[test]
fn sysctls_and_time_outs_follow_and_are_given_back() {
    let lan = Lan::new();
    let director = &lan.director;
    let with = |director: &str| many(director, [(1, 1)]);
    let site = Site::new(&with(""));
    let timeouts = || director.run("ipvsadm -Ln --timeout").trim().to_owned();
    let sysctl = |key: &str| director.run(&format!("sysctl -n net.ipv4.vs.{key}"));
    let [timeouts_before, conntrack_before] = [timeouts(), sysctl("conntrack")];
    let _agent = site.start(director, &[]);
    let reload = |configuration: &str| {
        site.write_configuration(configuration);
        let (code, printed) = site.finish(director, &["reload"]);
        assert_eq!(code, 0, "{printed}");
        printed
    };
    assert_eq!(timeouts(), timeouts_before);
    assert_eq!(sysctl("expire_nodest_conn").trim(), "1");

    let printed = reload(&with(
        "timeouts: { tcp: 700s, udp: 70s }, \
         sysctls: { net.ipv4.vs.conntrack: 1, net.ipv4.vs.expire_nodest_conn: 0 }",
    ));
    assert!(printed.contains("; 4 changes"), "{printed}");
    assert_eq!(timeouts(), "Timeout (tcp tcpfin udp): 700 120 70");
    assert_eq!(sysctl("conntrack").trim(), "1");
    assert_eq!(sysctl("expire_nodest_conn").trim(), "0");
    let (code, status) = site.finish(director, &["status"]);
    assert_eq!(code, 0, "{status}");
    for line in ["tcp       11m 40s     11m 40s", "tcpfin    as it is    2m"] {
        assert!(status.contains(line), "{status}");
    }

    reload(&with("timeouts: { tcp: 600s }"));
    assert!(
        timeouts().starts_with("Timeout (tcp tcpfin udp): 600 120 "),
        "{}",
        timeouts()
    );
    assert_eq!(sysctl("conntrack"), conntrack_before);
    assert_eq!(sysctl("expire_nodest_conn").trim(), "1");
    reload(&with(""));
    assert_eq!(timeouts(), timeouts_before);
}

#[test]
fn an_included_file_is_read_again_and_the_socket_is_found() {
    let lan = Lan::new();
    let director = &lan.director;
    let site = Site::new("http: { listen: 127.0.0.1:9477 }\ninclude: conf.d/*.yaml\n");
    let directory = site.directory().join("conf.d");
    fs::create_dir(&directory).expect("a directory");
    let write = |name: &str, text: &str| {
        fs::write(directory.join(name), text).expect("an included file");
    };
    let service = |name: &str, vip: u8| {
        format!(
            "virtual_services:\n  - name: {name}\n    address: 192.168.11.{vip}:80\n    \
             real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
        )
    };
    write("a.yaml", &service("a", 200));
    let _agent = site.start(director, &[]);
    let status = || {
        let (code, status) = site.finish(director, &["status"]);
        assert_eq!(code, 0, "{status}");
        status
    };
    assert!(status().contains("a  tcp 192.168.11.200:80"));

    write(
        "a.yaml",
        &service("a", 200).replace("a\n", "a\n    scheduler: rr\n"),
    );
    write("b.yaml", &service("b", 201));
    let (code, printed) = site.finish(director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    let table = ipvsadm_save(director);
    assert!(table.contains("-A -t 192.168.11.200:80 -s rr"), "{table}");
    assert!(table.contains("-A -t 192.168.11.201:80 -s wlc"), "{table}");

    // Only the main file may say where the socket is.
    write(
        "c.yaml",
        &(service("c", 202) + "control: { socket: /run/elsewhere.sock }\n"),
    );
    let (code, printed) = site.finish(director, &["reload"]);
    assert_eq!(code, 2, "{printed}");
    assert!(
        printed.contains("an included file has no key `control`"),
        "{printed}"
    );
    assert!(status().contains("problem reload_failed "), "{}", status());
    assert_eq!(ipvsadm_save(director), table);

    fs::remove_file(directory.join("c.yaml")).expect("to remove it");
    fs::remove_file(directory.join("b.yaml")).expect("to remove it");
    let (code, printed) = site.finish(director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    let table = ipvsadm_save(director);
    assert!(!table.contains("192.168.11.201"), "{table}");
}
