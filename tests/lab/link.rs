//! The director and its link: VIPs are announced, and what another program changes
//! there is set again at once.

use std::process::Command;

use crate::cluster::{Cluster, QUICK, request, wait_for_metric};
use crate::support::{Lan, Namespace, PATIENCE, Process, Web, until};
use crate::vip_lan::{VIP, VIP6, VipLan};

/// The MAC address of a director that was replaced.
const OLD: &str = "02:00:00:00:00:99";

/// With the next regular comparison a day away.
const ONCE_A_DAY: &str = "
http: { listen: 127.0.0.1:9477 }
director: { interface: eth0, resync_interval: 1day }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check: { http: {}, interval: 300ms, timeout: 10s, rise: 1, fall: 3 }
    real_servers: [{ name: rs1, address: 192.168.11.21 }]
  - name: web6
    address: \"[2001:db8::200]:80\"
    check: { http: {}, interval: 300ms, timeout: 10s, rise: 1, fall: 3 }
    real_servers: [{ name: rs1, address: \"2001:db8::21\" }]
";

fn mac(host: &Namespace) -> String {
    let link = host.run("ip -brief link show dev eth0");
    link.split_whitespace().nth(2).expect("a MAC").to_owned()
}

/// The client believes in the old director, and does not find out by itself
/// for as long as a test takes.
fn believe_in_the_old_director(client: &Namespace) {
    for vip in [VIP, VIP6] {
        client.run(&format!(
            "ip neigh replace {vip} lladdr {OLD} dev eth0 nud reachable"
        ));
    }
}

fn cached(client: &Namespace) -> [String; 2] {
    [VIP, VIP6].map(|vip| client.run(&format!("ip neigh show {vip}")))
}

fn wait_for_cache(client: &Namespace, mac: &str) {
    until(PATIENCE, &format!("{mac} in the client's caches"), || {
        let cached = cached(client);
        if cached.iter().all(|entry| entry.contains(mac)) {
            Ok(())
        } else {
            Err(cached)
        }
    });
}

/// All that is said of neighbours on the client's link.
fn listen(client: &Namespace) -> Process {
    let mut command = Command::new("tcpdump");
    command.args([
        "-Z",
        "root",
        "-l",
        "-n",
        "-e",
        "-tt",
        "-i",
        "eth0",
        "arp or icmp6",
    ]);
    let mut tcpdump = client.spawn(command);
    tcpdump.wait_for_line(PATIENCE, |line| line.contains("listening on eth0"));
    tcpdump
}

/// When each announcement of the VIP of IPv4, and of that of IPv6, came.
fn announcements(tcpdump: &Process, mac: &str) -> [Vec<f64>; 2] {
    let output = tcpdump.output();
    // Versions of tcpdump differ in what they call it.
    let arp = [
        format!("Request who-has {VIP} tell {VIP}"),
        format!("Announcement {VIP}"),
    ];
    // Answers to questions go to one host or one group.
    let advertisement = format!("{VIP6} > ff02::1: ICMP6, neighbor advertisement");
    [arp.as_slice(), &[advertisement]].map(|wanted| {
        let lines = output.lines();
        let theirs = lines.filter(|line| {
            let sent = line.split_whitespace().nth(1) == Some(mac);
            sent && wanted.iter().any(|wanted| line.contains(wanted))
        });
        let time = |line: &str| line.split_whitespace().next()?.parse().ok();
        theirs.filter_map(time).collect()
    })
}

/// By IPVS, and by the director itself.
fn answers_both(client: &Namespace) {
    assert_eq!(request(client).unwrap(), "rs1");
    client.run(&format!("ping -n -c 1 -W 60 {VIP6}"));
}

#[test]
fn a_client_of_the_old_director_comes_at_once_and_after_the_cable_is_back() {
    let vip_lan = VipLan::new(ONCE_A_DAY);
    let Lan {
        client,
        director,
        bridge,
        ..
    } = &vip_lan.lan;
    let _web = Web::start(&vip_lan.lan.rs1, "rs1");
    for family in ["ipv4", "ipv6"] {
        client.run(&format!(
            "sysctl -q -w net.{family}.neigh.eth0.base_reachable_time_ms=36000000 \
             net.{family}.neigh.eth0.delay_first_probe_time=3600"
        ));
    }
    believe_in_the_old_director(client);
    let tcpdump = listen(client);
    let mac = mac(director);
    let _agent = vip_lan.direct();
    wait_for_cache(client, &mac);
    vip_lan.wait_for_health("rs1", "up");
    answers_both(client);

    // Five at once, and five more.
    let both = until(PATIENCE, "both bursts", || {
        let seen = announcements(&tcpdump, &mac);
        let complete = seen.iter().all(|seen| seen.len() >= 10);
        if complete { Ok(seen) } else { Err(seen) }
    });
    for seen in both {
        assert_eq!(seen.len(), 10, "{seen:?}");
        let between = seen[5] - seen[4];
        assert!((3.0..60.0).contains(&between), "{seen:?}");
        assert!(seen[4] - seen[0] < 3.0, "{seen:?}");
    }

    // As a router of the link, the client is one whom the director talks to.
    director.run("ping -n -c 1 -W 60 192.168.11.1");
    believe_in_the_old_director(client);
    let (code, printed) = vip_lan.site.finish(director, &["doctor"]);
    for vip in [VIP, VIP6] {
        let found = format!("stale_neighbour {vip} on eth0");
        let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&found), "{code}: {printed}");
    }

    bridge.run("ip link set director down");
    believe_in_the_old_director(client);
    wait_for_metric(director, "lvs_weights_frozen{reason=\"link\"}", 1.0);
    bridge.run("ip link set director up");
    wait_for_cache(client, &mac);
    answers_both(client);
}

#[test]
fn no_vip_is_announced_while_a_real_server_answers_for_it_nor_in_a_dry_run() {
    let vip_lan = VipLan::new(ONCE_A_DAY);
    let Lan {
        client,
        director,
        rs1,
        ..
    } = &vip_lan.lan;
    let mac = mac(director);
    let tcpdump = listen(client);
    let v4 = || announcements(&tcpdump, &mac)[0].len();
    for (vip, option) in [(format!("{VIP}/32"), ""), (format!("{VIP6}/128"), " nodad")] {
        director.run(&format!("ip address add {vip} dev eth0{option}"));
    }
    let asks = format!("who-has {VIP} tell 192.168.11.10");
    let asked = |more_than: usize| {
        until(PATIENCE, "questions for the VIP", || {
            let output = tcpdump.output();
            let count = output.matches(&asks).count();
            if count > more_than {
                Ok(count)
            } else {
                Err(output)
            }
        })
    };
    let mut dry = vip_lan.site.run(director, &["--dry-run"]);
    dry.wait_for_line(PATIENCE, |line| line.contains(" director: "));
    // By the second question, it would have come.
    let count = asked(0);
    let count = asked(count);
    assert_eq!(
        announcements(&tcpdump, &mac),
        [Vec::<f64>::new(), Vec::new()]
    );
    drop(dry);

    rs1.run("sysctl -q -w net.ipv4.conf.all.arp_ignore=0");
    let mut agent = vip_lan.direct();
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("a real server answers for the VIP")
    });
    asked(count + 3);
    assert_eq!(v4(), 0, "{}", tcpdump.output());
    rs1.run("sysctl -q -w net.ipv4.conf.all.arp_ignore=1");
    until(PATIENCE, "announcement after the conflict", || match v4() {
        0 => Err(()),
        _ => Ok(()),
    });
}

#[test]
fn changes_on_the_director_by_another_program_are_repaired_at_once() {
    let text = ONCE_A_DAY
        .replace("interface: eth0", "interface: lvs0, link: eth0")
        .replace("http: {},", "http: {}, via: vip,");
    let vip_lan = VipLan::new(&text);
    let director = &vip_lan.lan.director;
    let _web = Web::start(&vip_lan.lan.rs1, "rs1");
    director.run("ip link add lvs0 type dummy");
    director.run("ip link set lvs0 up");
    let _agent = vip_lan.direct();
    // Answers through the VIP come in by the link, not by the dummy.
    vip_lan.wait_for_health("rs1", "up");
    let accept = "sysctl -n net.ipv4.conf.eth0.accept_local";
    assert_eq!(director.run(accept), "1\n");
    assert_eq!(request(&vip_lan.lan.client).unwrap(), "rs1");

    let held = || director.run("ip -o address show dev lvs0");
    let is_held = || [VIP, VIP6].iter().all(|vip| held().contains(vip));
    let wait_for_vips = || {
        until(PATIENCE, "both VIPs", || {
            if is_held() { Ok(()) } else { Err(held()) }
        });
    };
    wait_for_vips();
    director.run(&format!("ip address del {VIP}/32 dev lvs0"));
    director.run(&format!("ip address del {VIP6}/128 dev lvs0"));
    wait_for_vips();
    let nodest = "net.ipv4.vs.expire_nodest_conn";
    director.run(&format!(
        "sysctl -q -w {nodest}=0 net.ipv4.conf.eth0.accept_local=0"
    ));
    until(PATIENCE, "sysctls", || {
        let seen = director.run(&format!(
            "sysctl -n {nodest} net.ipv4.conf.eth0.accept_local"
        ));
        if seen == "1\n1\n" { Ok(()) } else { Err(seen) }
    });

    director.run("ip link del lvs0");
    let shown = |configured: &str| {
        until(PATIENCE, configured, || {
            let status = crate::vip_lan::status(director);
            if status.contains(configured) {
                Ok(())
            } else {
                Err(status)
            }
        });
    };
    shown("\"interface\":\"lvs0\",\"configured\":false");
    director.run("ip link add lvs0 type dummy");
    director.run("ip link set lvs0 up");
    wait_for_vips();
    shown("\"interface\":\"lvs0\",\"configured\":true");
}

#[test]
fn another_name_of_the_link_is_refused_with_the_real_one() {
    let cluster = Cluster::new(QUICK);
    let director = &cluster.lan.director;
    director.run("ip link property add dev eth0 altname lan0");
    cluster
        .site
        .write_configuration(&QUICK.replace("interface: eth0", "interface: eth0, link: lan0"));
    let (code, printed) = cluster.site.finish(director, &["run"]);
    assert_eq!(code, 1, "{printed}");
    let expected = "`lan0` is another name of interface `eth0`";
    assert!(printed.contains(expected), "{printed}");
    let (code, printed) = cluster.site.finish(director, &["doctor"]);
    assert_eq!(code, 3, "{printed}");
    assert!(printed.contains("write `director.link: eth0`"), "{printed}");
}
