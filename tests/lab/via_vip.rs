//! Checks through the VIP: over the clients' path, to one real server, and
//! what is said where that cannot be known.

use crate::cluster::metric;
use crate::hall::{Hall, VIP, configuration};
use crate::support::{Behaviour, Lan, PATIENCE, Web, ipvsadm_save, until};

#[test]
fn a_probe_through_the_vip_reaches_each_real_server_over_the_clients_path() {
    for via in ["vip", "both"] {
        let check = format!("via: {via}, interval: 300ms, timeout: 3s");
        let hall = Hall::new(&configuration(
            "192.168.11.200:80",
            "forwarding: direct",
            &check,
            &["192.168.11.21", "192.168.11.22"],
        ));
        let _pages = [
            Web::start(&hall.lan.rs1, "rs1"),
            Web::start(&hall.lan.rs2, "rs2"),
        ];
        let mut director = hall.direct();
        for real_server in ["rs1", "rs2"] {
            hall.wait_for_health(real_server, "up");
            hall.wait_for_diagnosis(real_server, "ok");
        }
        let table = ipvsadm_save(&hall.lan.director);
        for line in [
            "-A -f 8192 -s rr\n",
            "-a -f 8193 -r 192.168.11.21:0 -g -w 1\n",
            "-a -f 8194 -r 192.168.11.22:0 -g -w 1\n",
        ] {
            assert!(table.contains(line), "{line} in:\n{table}");
        }
        // Each mark's connections go to its own real server, and end by a reset.
        until(PATIENCE, "connections by marks", || {
            let connections = hall.lan.director.run("ipvsadm -Lcn");
            let ended = |rip: &str| {
                let line = |line: &&str| line.contains(rip) && line.contains(" CLOSE ");
                connections.lines().filter(line).count()
            };
            if ended("192.168.11.21") >= 3 && ended("192.168.11.22") >= 3 {
                Ok(())
            } else {
                Err(connections)
            }
        });
        let accept = hall
            .lan
            .director
            .run("sysctl -n net.ipv4.conf.eth0.accept_local");
        assert_eq!(accept.trim(), "1");

        director.signal(nix::sys::signal::Signal::SIGTERM);
        director.wait(PATIENCE);
        let (code, printed) = hall.site.finish(&hall.lan.director, &["cleanup"]);
        assert_eq!(code, 0, "{printed}");
        assert_eq!(ipvsadm_save(&hall.lan.director), "");
        let accept = hall
            .lan
            .director
            .run("sysctl -n net.ipv4.conf.eth0.accept_local");
        assert_eq!(accept.trim(), "0", "{printed}");
    }
}

#[test]
fn each_cause_has_its_name_and_is_gone_when_it_is_mended() {
    let hall = Hall::new(&configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 1s",
        &["192.168.11.21", "192.168.11.22"],
    ));
    let rs1 = &hall.lan.rs1;
    let web = Web::start(rs1, "rs1");
    let _other = Web::start(&hall.lan.rs2, "rs2");
    let _director = hall.direct();
    let well = || {
        hall.wait_for_diagnosis("rs1", "ok");
        hall.wait_for_health("rs1", "up");
    };
    well();

    rs1.run(&format!("ip address del {VIP}/32 dev lo"));
    hall.wait_for_diagnosis("rs1", "vip_missing");
    hall.wait_for_health("rs1", "down");
    rs1.run(&format!("ip address add {VIP}/32 dev lo"));
    well();

    web.behave(Behaviour::Unavailable);
    hall.wait_for_diagnosis("rs1", "application_down");
    web.behave(Behaviour::Serve);
    well();

    rs1.run("ip link set eth0 down");
    hall.wait_for_diagnosis("rs1", "unreachable");
    rs1.run("ip link set eth0 up");
    well();
    hall.wait_for_diagnosis("rs2", "ok");
    drop(web);
    hall.wait_for_diagnosis("rs1", "application_down");
}

#[test]
fn ipv6_and_tunnels_are_asked_as_clients_ask_them() {
    for (vip, real_server, service, unpack) in [
        (
            "[2001:db8::200]:80",
            "2001:db8::21",
            "forwarding: direct",
            None,
        ),
        (
            "192.168.11.200:80",
            "192.168.11.21",
            "forwarding: tunnel",
            Some("ipip local 192.168.11.21 remote any"),
        ),
        (
            "[2001:db8::200]:80",
            "2001:db8::21",
            "forwarding: tunnel",
            Some("ip6tnl mode any local 2001:db8::21 remote any"),
        ),
    ] {
        let hall = Hall::new(&configuration(
            vip,
            service,
            "via: vip, interval: 300ms, timeout: 1s",
            &[real_server],
        ));
        let rs1 = &hall.lan.rs1;
        if let Some(kind) = unpack {
            rs1.run(&format!("ip link add unpack type {kind}"));
            rs1.run("sysctl -q -w net.ipv4.conf.unpack.rp_filter=0 net.ipv4.conf.all.rp_filter=0");
            rs1.run("ip link set unpack up");
        }
        let _page = crate::support::nginx(rs1, "rs1");
        let _director = hall.direct();
        hall.wait_for_health("rs1", "up");
        hall.wait_for_diagnosis("rs1", "ok");

        let bare = vip
            .trim_matches(['[', ']'])
            .split("]:")
            .next()
            .expect("a VIP");
        let bare = bare.strip_suffix(":80").unwrap_or(bare);
        let length = if bare.contains("::") { 128 } else { 32 };
        rs1.run(&format!("ip address del {bare}/{length} dev lo"));
        hall.wait_for_diagnosis("rs1", "vip_missing");
        hall.wait_for_health("rs1", "down");
    }
}

/// Four that are well on rs2, and one that is not, on rs1.
const FIVE: [&str; 5] = [
    "192.168.11.21",
    "192.168.11.22",
    "192.168.11.23",
    "192.168.11.24",
    "192.168.11.25",
];

fn five(hall: &Hall) {
    for last in 23..=25 {
        hall.lan
            .rs2
            .run(&format!("ip address add 192.168.11.{last}/24 dev eth0"));
    }
}

/// Nobody answers in the place of rs1, whatever becomes of the table.
fn never_up(hall: &Hall, wanted: f64, mut disturb: impl FnMut()) {
    for real_server in ["rs2", "rs3", "rs4", "rs5"] {
        hall.wait_for_health(real_server, "up");
    }
    let count = || -> f64 {
        let results = [
            "ok",
            "refused",
            "timeout",
            "reset",
            "unreachable",
            "protocol",
            "unverified",
        ];
        results
            .iter()
            .map(|result| hall.probes("rs1", result))
            .sum()
    };
    until(PATIENCE * 30, "probes of rs1", || {
        disturb();
        let made = count();
        if made >= wanted { Ok(()) } else { Err(made) }
    });
    assert!(hall.probes("rs1", "ok") < 0.5);
    for real_server in ["rs2", "rs3", "rs4", "rs5"] {
        let transitions = metric(
            &hall.lan.director,
            &format!(
                "lvs_transitions_total{{service=\"web\",real_server=\"{real_server}\",to=\"down\"}}"
            ),
        );
        assert!(transitions < 0.5, "{real_server}: {transitions}");
    }
}

fn disturbed(disturb: impl Fn(&Lan), afterwards: impl FnOnce(&Hall)) {
    let hall = Hall::new(&configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 100ms, timeout: 2s",
        &FIVE,
    ));
    five(&hall);
    let page = Web::start(&hall.lan.rs2, "rs2");
    let director = hall.direct();
    never_up(&hall, probes(150.0, 500.0), || disturb(&hall.lan));
    assert!(hall.probes("rs1", "refused") > 0.0, "rs1 was not asked");
    afterwards(&hall);
    drop((director, page));
}

/// How many probes the longest tests make. The whole number takes minutes in
/// the emulated machine.
fn probes(usual: f64, whole: f64) -> f64 {
    if std::env::var_os("LAB_ALL_PROBES").is_some() {
        whole
    } else {
        usual
    }
}

#[test]
fn an_emptied_table_makes_nobody_up() {
    let empty = |lan: &Lan| {
        lan.director.run("ipvsadm -C");
    };
    disturbed(empty, |_| {});
}

#[test]
fn a_lost_service_by_mark_makes_nobody_up() {
    let remove = |lan: &Lan| {
        // The first path's; where it is missing already, that is as good.
        let mut remove = std::process::Command::new("ipvsadm");
        remove.args(["-D", "-f", "8193"]);
        let _ = lan.director.output(remove);
    };
    disturbed(remove, |_| {});
}

#[test]
fn a_backup_that_lets_all_packets_pass_makes_nobody_up() {
    let start = |lan: &Lan| {
        lan.director.run("sysctl -q -w net.ipv4.vs.backup_only=1");
        let mut start = std::process::Command::new("ipvsadm");
        start.args(["--start-daemon", "backup", "--mcast-interface", "eth0"]);
        // It runs already from the second time on.
        let _ = lan.director.output(start);
    };
    disturbed(start, |hall| {
        hall.wait_for_diagnosis("rs2", "unverified");
        hall.lan.director.run("ipvsadm --stop-daemon backup");
        hall.wait_for_diagnosis("rs2", "ok");
    });
}

/// IPVS knows a connection by its ports alone: a port that came to the dead
/// one after another real server had it would be answered by that one.
#[test]
fn no_answer_is_taken_for_another_real_servers() {
    let hall = Hall::new(&configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 100ms, timeout: 2s",
        &FIVE[..4],
    ));
    five(&hall);
    let _page = Web::start(&hall.lan.rs2, "rs2");
    // Few ports, so that they come around again and again.
    hall.lan.director.enter(|| {
        let range = "/proc/sys/net/ipv4/ip_local_port_range";
        std::fs::write(range, "40000 40799").expect("the range of ports");
    });
    let _director = hall.direct();
    for real_server in ["rs2", "rs3", "rs4"] {
        hall.wait_for_health(real_server, "up");
    }
    let wanted = probes(1_000.0, 20_000.0);
    until(PATIENCE * 60, "probes", || {
        let made: f64 = ["rs1", "rs2", "rs3", "rs4"]
            .iter()
            .map(|name| hall.probes(name, "ok") + hall.probes(name, "refused"))
            .sum();
        if made >= wanted { Ok(()) } else { Err(made) }
    });
    assert!(hall.probes("rs1", "ok") < 0.5);
    for real_server in ["rs2", "rs3", "rs4"] {
        assert!(hall.probes(real_server, "refused") < 0.5, "{real_server}");
    }
}
