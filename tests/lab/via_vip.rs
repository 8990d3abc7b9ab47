//! Checks through the VIP: over the clients' path, to one real server, and
//! what is said where that cannot be known.

use std::net::TcpListener;
use std::thread;

use nix::sys::signal::Signal;

use crate::cluster::metric;
use crate::support::{Behaviour, PATIENCE, Web, ipvsadm_save, until};
use crate::vip_lan::{VIP, VipLan, configuration, of_real_server, status};

#[test]
fn a_probe_through_the_vip_reaches_each_real_server_over_the_clients_path() {
    for via in ["vip", "both"] {
        let check = format!("via: {via}, interval: 300ms, timeout: 3s");
        let vip_lan = VipLan::new(&configuration(
            "192.168.11.200:80",
            "forwarding: direct",
            &check,
            &["192.168.11.21", "192.168.11.22"],
        ));
        let _pages = [
            Web::start(&vip_lan.lan.rs1, "rs1"),
            Web::start(&vip_lan.lan.rs2, "rs2"),
        ];
        let mut director = vip_lan.direct();
        for real_server in ["rs1", "rs2"] {
            vip_lan.wait_for_health(real_server, "up");
            vip_lan.wait_for_diagnosis(real_server, "ok");
        }
        let table = ipvsadm_save(&vip_lan.lan.director);
        for line in [
            "-A -f 8192 -s rr\n",
            "-a -f 8193 -r 192.168.11.21:0 -g -w 1\n",
            "-a -f 8194 -r 192.168.11.22:0 -g -w 1\n",
        ] {
            assert!(table.contains(line), "{line} in:\n{table}");
        }
        // Each mark's connections go to its own real server, and end by a reset.
        until(PATIENCE, "connections by marks", || {
            let connections = vip_lan.lan.director.run("ipvsadm -Lcn");
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
        let accept = vip_lan
            .lan
            .director
            .run("sysctl -n net.ipv4.conf.eth0.accept_local");
        assert_eq!(accept.trim(), "1");

        director.signal(Signal::SIGTERM);
        director.wait(PATIENCE);
        let (code, printed) = vip_lan.site.finish(&vip_lan.lan.director, &["cleanup"]);
        assert_eq!(code, 0, "{printed}");
        assert_eq!(ipvsadm_save(&vip_lan.lan.director), "");
        let accept = vip_lan
            .lan
            .director
            .run("sysctl -n net.ipv4.conf.eth0.accept_local");
        assert_eq!(accept.trim(), "0", "{printed}");
    }
}

#[test]
fn each_cause_has_its_name_until_its_fix() {
    let vip_lan = VipLan::new(&configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 1s",
        &["192.168.11.21", "192.168.11.22"],
    ));
    let rs1 = &vip_lan.lan.rs1;
    let web = Web::start(rs1, "rs1");
    let _other = Web::start(&vip_lan.lan.rs2, "rs2");
    let _director = vip_lan.direct();
    let well = || {
        vip_lan.wait_for_diagnosis("rs1", "ok");
        vip_lan.wait_for_health("rs1", "up");
    };
    well();

    rs1.run(&format!("ip address del {VIP}/32 dev lo"));
    vip_lan.wait_for_diagnosis("rs1", "vip_missing");
    vip_lan.wait_for_health("rs1", "down");
    rs1.run(&format!("ip address add {VIP}/32 dev lo"));
    well();

    web.behave(Behaviour::Unavailable);
    vip_lan.wait_for_diagnosis("rs1", "application_down");
    web.behave(Behaviour::Serve);
    well();

    rs1.run("ip link set eth0 down");
    vip_lan.wait_for_diagnosis("rs1", "unreachable");
    rs1.run("ip link set eth0 up");
    well();
    vip_lan.wait_for_diagnosis("rs2", "ok");
    drop(web);
    vip_lan.wait_for_diagnosis("rs1", "application_down");
}

#[test]
fn probes_of_ipv6_and_tunnels_take_the_path_of_clients() {
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
        let vip_lan = VipLan::new(&configuration(
            vip,
            service,
            "via: vip, interval: 300ms, timeout: 1s",
            &[real_server],
        ));
        let rs1 = &vip_lan.lan.rs1;
        if let Some(kind) = unpack {
            rs1.run(&format!("ip link add unpack type {kind}"));
            rs1.run("sysctl -q -w net.ipv4.conf.unpack.rp_filter=0 net.ipv4.conf.all.rp_filter=0");
            rs1.run("ip link set unpack up");
        }
        let _page = crate::support::nginx(rs1, "rs1");
        let _director = vip_lan.direct();
        vip_lan.wait_for_health("rs1", "up");
        vip_lan.wait_for_diagnosis("rs1", "ok");

        let bare = vip
            .trim_matches(['[', ']'])
            .split("]:")
            .next()
            .expect("a VIP");
        let bare = bare.strip_suffix(":80").unwrap_or(bare);
        let length = if bare.contains("::") { 128 } else { 32 };
        rs1.run(&format!("ip address del {bare}/{length} dev lo"));
        vip_lan.wait_for_diagnosis("rs1", "vip_missing");
        vip_lan.wait_for_health("rs1", "down");
    }
}

/// IPVS soon counts such a connection no more.
#[test]
fn server_that_closes_at_once_without_data_is_up() {
    let settings = configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 100ms, timeout: 10s",
        &["192.168.11.21"],
    );
    let vip_lan = VipLan::new(&settings.replace("http: {}", "tcp: {}"));
    let listener = vip_lan.lan.rs1.enter(|| TcpListener::bind("0.0.0.0:80"));
    let listener = listener.expect("port 80");
    // Ends with the process.
    thread::spawn(move || listener.incoming().for_each(drop));
    let _director = vip_lan.direct();
    vip_lan.wait_for_health("rs1", "up");
    let probes = |result: &str| {
        let labels = format!("service=\"web\",real_server=\"rs1\",result=\"{result}\"");
        metric(
            &vip_lan.lan.director,
            &format!("lvs_probes_total{{{labels}}}"),
        )
    };
    // What was before the first canary was no fault of the server's.
    let before = probes("unverified");
    until(PATIENCE, "50 probes that passed", || match probes("ok") {
        enough if enough >= 50.0 => Ok(()),
        passed => Err(passed),
    });
    assert!((probes("unverified") - before).abs() < 0.5);
    vip_lan.wait_for_diagnosis("rs1", "ok");
}

#[test]
fn services_of_others_by_marks_of_the_range_are_left_alone() {
    let vip_lan = VipLan::new(&configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 10s",
        &["192.168.11.21", "192.168.11.22"],
    ));
    let director = &vip_lan.lan.director;
    director.run("ipvsadm -A -f 8192 -s wlc");
    director.run("ipvsadm -A -f 8194 -s rr");
    director.run("ipvsadm -a -f 8194 -r 192.168.11.99 -m -w 7");
    // As the agent itself would have made it.
    director.run("ipvsadm -A -f 8195 -s rr");
    director.run("ipvsadm -a -f 8195 -r 192.168.11.22 -g -w 1");
    let foreign = ipvsadm_save(director);
    let _pages = [
        Web::start(&vip_lan.lan.rs1, "rs1"),
        Web::start(&vip_lan.lan.rs2, "rs2"),
    ];
    let well = || {
        for real_server in ["rs1", "rs2"] {
            vip_lan.wait_for_health(real_server, "up");
            vip_lan.wait_for_diagnosis(real_server, "ok");
        }
        let table = ipvsadm_save(director);
        for line in foreign.lines().chain([
            "-A -f 8193 -s rr",
            "-a -f 8196 -r 192.168.11.21:0 -g -w 1",
            "-a -f 8197 -r 192.168.11.22:0 -g -w 1",
        ]) {
            assert!(table.lines().any(|l| l == line), "{line} in:\n{table}");
        }
        table
    };
    let mut before = None;
    let mut agent = vip_lan.direct();
    for _ in 0..2 {
        let table = well();
        let output_text = agent.output();
        for mark in 8192..=8197 {
            let command = format!("ipvsadm -D -f {mark}\"\n");
            let named = usize::from([8192, 8194, 8195].contains(&mark));
            assert_eq!(
                output_text.matches(&command).count(),
                named,
                "{output_text}"
            );
        }
        assert_eq!(*before.get_or_insert(table.clone()), table);
        agent.signal(Signal::SIGKILL);
        agent.wait(PATIENCE);
        agent = vip_lan.direct();
    }
    well();
    agent.signal(Signal::SIGTERM);
    agent.wait(PATIENCE);
    let (code, printed) = vip_lan.site.finish(director, &["cleanup"]);
    assert_eq!(code, 0, "{printed}");
    assert_eq!(ipvsadm_save(director), foreign, "{printed}");
    for mark in [8192, 8194, 8195] {
        assert!(
            printed.contains(&format!("ipvsadm -D -f {mark}\n")),
            "{printed}"
        );
    }
}

#[test]
fn shortage_of_marks_is_reported_and_ends_when_marks_are_free() {
    let settings = configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 3s",
        &["192.168.11.21", "192.168.11.22", "192.168.11.23"],
    );
    let four = "resync_interval: 1s, probe_mark: { base: 0x2000, mask: 0x3 }";
    let vip_lan = VipLan::new(&settings.replace("resync_interval: 1s", four));
    let director = &vip_lan.lan.director;
    director.run("ipvsadm -A -f 8194 -s wrr");
    let _pages = [
        Web::start(&vip_lan.lan.rs1, "rs1"),
        Web::start(&vip_lan.lan.rs2, "rs2"),
    ];
    let agent = vip_lan.direct();
    for real_server in ["rs1", "rs2"] {
        vip_lan.wait_for_diagnosis(real_server, "ok");
    }
    vip_lan.wait_for_diagnosis("rs3", "unverified");
    let output_text = agent.output();
    let shortage = "no mark of `director.probe_mark` is left for 1 of 3 ways to real servers (ipv4 \
                    to 192.168.11.23 by direct)";
    assert_eq!(output_text.matches(shortage).count(), 1, "{output_text}");
    let status = status(director);
    let reported = of_real_server(&status, "rs3");
    assert!(
        reported.contains("no mark of `director.probe_mark` is left"),
        "{reported}"
    );
    let (_, planned) = vip_lan.site.finish(director, &["plan"]);
    for note in [shortage, "if nobody needs it: ipvsadm -D -f 8194"] {
        assert!(planned.contains(note), "{note}: {planned}");
    }
    let (_, found) = vip_lan.site.finish(director, &["doctor"]);
    let problem = format!("problem  mark          director.probe_mark: {shortage}");
    assert!(found.contains(&problem), "{found}");
    let fix = found.split(&problem).nth(1).expect("what follows");
    let fix = fix.lines().nth(1).expect("what fixes it");
    assert!(fix.ends_with(": ipvsadm -D -f 8194"), "{fix}");

    let kept = |table: String| -> Vec<String> {
        let kept = table.lines().filter(|line| !line.contains("-f 8194"));
        kept.map(str::to_owned).collect()
    };
    let before = kept(ipvsadm_save(director));
    director.run("ipvsadm -D -f 8194");
    vip_lan.wait_for_diagnosis("rs3", "unreachable");
    let table = ipvsadm_save(director);
    let line = "-a -f 8194 -r 192.168.11.23:0 -g -w 1\n";
    assert!(table.contains(line), "{table}");
    assert_eq!(kept(table), before);
    let output_text = agent.output();
    let cleared = |line: &str| line.contains("cleared: ") && line.contains("marks_exhausted");
    assert!(output_text.lines().any(cleared), "{output_text}");
}

const LETS_NONE_LEAVE: &str =
    "a firewall of this host lets none of its packets to 192.168.11.200 leave";

/// Who switches it off, or whose firewall does not know it, makes this host
/// deaf, or dumb, and no real server ill.
#[test]
fn probes_that_this_host_drops_change_no_verdict() {
    let settings = configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 2500ms",
        &["192.168.11.21"],
    );
    // One failure that counts is seen, also one as the cause comes or goes.
    let settings = settings.replace("rise: 2, fall: 2", "rise: 1, fall: 1");
    // The agent would put its own key right again, and leaves `all` alone.
    let settings = settings.replace(
        "resync_interval: 1s",
        "resync_interval: 1day, sysctls: { net.ipv4.conf.eth0.accept_local: 0 }",
    );
    let vip_lan = VipLan::new(&settings);
    let director = &vip_lan.lan.director;
    director.run("sysctl -q -w net.ipv4.conf.all.accept_local=1");
    let _page = Web::start(&vip_lan.lan.rs1, "rs1");
    let _agent = vip_lan.direct();
    vip_lan.wait_for_health("rs1", "up");
    let of_rs1 = |series: &str, last: &str| {
        let labels = format!("service=\"web\",real_server=\"rs1\",{last}");
        metric(director, &format!("{series}{{{labels}}}"))
    };
    let down = || of_rs1("lvs_transitions_total", "to=\"down\"");
    let unverified = || of_rs1("lvs_probes_total", "result=\"unverified\"");
    let fell = down();
    let firewall =
        |chain: &str| format!("nft add table inet lab {{ chain lab {{ {chain} ; }} ; }}");
    let no_firewall = "nft delete table inet lab";
    // As on many hosts; IPVS's own connections are not tracked.
    let stateful = firewall(
        "type filter hook input priority 0 ; policy drop ; iif lo accept ; \
         ct state established,related accept",
    );
    for (cause, reason, fix) in [
        (
            "sysctl -q -w net.ipv4.conf.all.accept_local=0".to_owned(),
            "net.ipv4.conf.eth0.accept_local is 0",
            "sysctl -q -w net.ipv4.conf.all.accept_local=1",
        ),
        (
            stateful.clone(),
            "a firewall of this host drops the answer",
            no_firewall,
        ),
        (
            firewall("type filter hook postrouting priority 0 ; meta mark 8193 drop"),
            LETS_NONE_LEAVE,
            no_firewall,
        ),
        (
            firewall("type filter hook output priority 0 ; ip daddr 192.168.11.200 reject"),
            LETS_NONE_LEAVE,
            no_firewall,
        ),
        (
            firewall(
                "type filter hook output priority 0 ; \
                 ip daddr 192.168.11.200 tcp dport 80 reject with tcp reset",
            ),
            LETS_NONE_LEAVE,
            no_firewall,
        ),
    ] {
        let before = unverified();
        director.run(&cause);
        until(
            PATIENCE,
            "2 probes of which something was dropped",
            || match unverified() - before {
                enough if enough >= 2.0 => Ok(()),
                few => Err(few),
            },
        );
        vip_lan.wait_for_diagnosis("rs1", "unverified");
        let status = status(director);
        let reported = of_real_server(&status, "rs1");
        assert!(reported.contains(reason), "{reason}:\n{reported}");
        assert!((down() - fell).abs() < 0.5, "a verdict changed: {cause}");
        director.run(fix);
        vip_lan.wait_for_diagnosis("rs1", "ok");
    }

    // It goes after a probe has asked twice, and before it would a third time.
    let before = unverified();
    director.run(&stateful);
    until(PATIENCE, "a packet that is sent again", || {
        let waiting = director.run("ss -Hnto state syn-sent dst 192.168.11.200");
        let again = waiting.lines().any(|line| line.trim_end().ends_with(",1)"));
        if again { Ok(()) } else { Err(waiting) }
    });
    director.run(no_firewall);
    until(PATIENCE, "a probe that says nothing", || {
        let now = unverified();
        if now > before { Ok(()) } else { Err(now) }
    });
    vip_lan.wait_for_diagnosis("rs1", "ok");
    assert!((down() - fell).abs() < 0.5, "a verdict changed");
}

/// By masquerading, a real server without the VIP would answer; with no weight,
/// nobody.
#[test]
fn probes_through_a_changed_service_by_mark_are_unverified() {
    let settings = configuration(
        "192.168.11.200:80",
        "forwarding: direct",
        "via: vip, interval: 300ms, timeout: 2s",
        &["192.168.11.21", "192.168.11.22"],
    );
    // The agent would put it right again.
    let vip_lan = VipLan::new(&settings.replace("resync_interval: 1s", "resync_interval: 1day"));
    let director = &vip_lan.lan.director;
    let _pages = [
        Web::start(&vip_lan.lan.rs1, "rs1"),
        Web::start(&vip_lan.lan.rs2, "rs2"),
    ];
    vip_lan
        .lan
        .rs2
        .run("ip address del 192.168.11.200/32 dev lo");
    let _agent = vip_lan.direct();
    vip_lan.wait_for_health("rs1", "up");
    vip_lan.wait_for_health("rs2", "down");
    let counted = |series: &str, real_server: &str, last: &str| {
        let labels = format!("service=\"web\",real_server=\"{real_server}\",{last}");
        metric(director, &format!("{series}{{{labels}}}"))
    };
    for (real_server, changed) in [
        ("rs2", "ipvsadm -e -f 8194 -r 192.168.11.22 -m -w 1"),
        ("rs1", "ipvsadm -e -f 8193 -r 192.168.11.21 -g -w 0"),
    ] {
        let unverified = || counted("lvs_probes_total", real_server, "result=\"unverified\"");
        let before = unverified();
        director.run(changed);
        until(PATIENCE, "5 probes that say nothing", || {
            match unverified() - before {
                enough if enough >= 5.0 => Ok(()),
                few => Err(few),
            }
        });
        let status = status(director);
        let reported = of_real_server(&status, real_server);
        assert!(
            reported.contains("not in the table as it was made"),
            "{reported}"
        );
    }
    let rose = counted("lvs_transitions_total", "rs2", "to=\"up\"");
    let fell = counted("lvs_transitions_total", "rs1", "to=\"down\"");
    assert!(rose < 0.5 && fell < 0.5, "rs2 {rose}, rs1 {fell}");

    // As the reason says.
    let (code, printed) = vip_lan.site.finish(director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    vip_lan.wait_for_diagnosis("rs1", "ok");
    vip_lan.wait_for_diagnosis("rs2", "vip_missing");
}
