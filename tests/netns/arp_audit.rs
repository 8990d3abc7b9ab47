//! The director finds out who else answers for a VIP, and disturbs nobody by
//! asking. Its table is in memory; the VIP is put on its eth0 by hand.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::arp::{Mac, link};
use crate::capture::{Capture, announcement};
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, Web, agent_under, until};
use crate::witness::{VIP, metric, set_sysctls, status};

const CONFLICTS: &str = "lvs_arp_conflicts{vip=\"192.168.11.200\"}";

/// How soon a conflicting host has to be found after its first answer to anybody.
const SOON: Duration = Duration::from_secs(2);

/// A machine that does nothing else for a moment is found within that time;
/// one that does is given another chance.
const ROUNDS: usize = 5;

const IN_ORDER: [(&str, &str); 2] = [
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
];

const LOST: [(&str, &str); 2] = [
    ("net.ipv4.conf.all.arp_ignore", "0"),
    ("net.ipv4.conf.all.arp_announce", "0"),
];

/// The how-to's own two, which change nothing by themselves.
const ONLY_LO: [(&str, &str); 4] = [
    ("net.ipv4.conf.lo.arp_ignore", "1"),
    ("net.ipv4.conf.lo.arp_announce", "2"),
    ("net.ipv4.conf.all.arp_ignore", "0"),
    ("net.ipv4.conf.all.arp_announce", "0"),
];

fn configuration(director: &str) -> String {
    format!(
        "director: {{ interface: eth0, resync_interval: 1s, {director} }}\n\
         virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    \
         check: {{ http: {{}}, interval: 200ms, timeout: 5s, rise: 1, fall: 2 }}\n    \
         real_servers:\n      - {{ name: rs1, address: 192.168.11.21 }}\n      \
         - {{ name: rs2, address: 192.168.11.22 }}\n"
    )
}

/// The VIP on the director and, silenced, on both real servers.
fn lan() -> Lan {
    let lan = Lan::new();
    lan.director
        .run("ip address add 192.168.11.200/32 dev eth0");
    for host in [&lan.rs1, &lan.rs2] {
        set_sysctls(host, IN_ORDER);
        host.run("ip address add 192.168.11.200/32 dev lo");
    }
    lan
}

/// Starts the director, and returns when it has asked for a VIP.
fn direct(lan: &Lan, configuration: &str) -> (Site, Process) {
    let capture = Capture::start(&lan.client);
    let site = Site::new(configuration);
    let agent = site.start(&lan.director, &["--table", "memory"]);
    let vips: [IpAddr; 2] = [VIP.into(), "2001:db8::200".parse().unwrap()];
    until(PATIENCE, "question of the director", || {
        let seen = capture.seen_of(mac(&lan.director));
        let asked = seen.iter().filter_map(|seen| seen.asks);
        if asked.into_iter().any(|asked| vips.contains(&asked)) {
            Ok(())
        } else {
            Err(seen)
        }
    });
    (site, agent)
}

fn mac(host: &Namespace) -> Mac {
    link(host).addr().unwrap()
}

fn spelled(mac: Mac) -> String {
    let bytes = mac.map(|byte| format!("{byte:02x}"));
    bytes.join(":")
}

/// Who is in conflict over the only VIP that has any: MAC address and names.
fn conflicts(director: &Namespace) -> Vec<(String, Value)> {
    let vips = status(director)["arp_audit"]["vips"].take();
    let all = vips.as_array().unwrap().iter();
    all.flat_map(|vip| vip["conflicts"].as_array().unwrap().clone())
        .map(|found| {
            let mac = found["mac"].as_str().unwrap().to_owned();
            (mac, found["real_servers"].clone())
        })
        .collect()
}

fn wait_for_conflicts(director: &Namespace, expected: &[(Mac, &[&str])]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(mac, names)| (spelled(*mac), json!(names)))
        .collect();
    until(PATIENCE, "such conflicts", || {
        let found = conflicts(director);
        if found == expected {
            Ok(())
        } else {
            Err(found)
        }
    });
}

/// When a line of the log was written that has all these words.
fn logged(agent: &mut Process, after: SystemTime, words: &[&str]) -> SystemTime {
    let time = |line: &str| {
        let stamp = line.split_whitespace().next().unwrap_or_default();
        humantime::parse_rfc3339_weak(stamp).ok()
    };
    let line = agent.wait_for_line(PATIENCE, |line| {
        words.iter().all(|word| line.contains(word)) && time(line).is_some_and(|at| at >= after)
    });
    time(&line).unwrap()
}

fn first_claim(capture: &Capture, conflicting: Mac, vip: IpAddr, after: SystemTime) -> SystemTime {
    until(PATIENCE, "answer of the conflicting host", || {
        let seen = capture.seen_of(conflicting);
        let mut claims = seen.iter().filter(|seen| seen.claims == Some(vip));
        claims
            .find(|seen| seen.at >= after)
            .map(|seen| seen.at)
            .ok_or(seen.len())
    })
}

/// Lets an ARP conflict begin, a client ask, and the conflict be fixed, until the
/// agent has once been as quick as it has to be.
fn found_in_time(
    lan: &Lan,
    agent: &mut Process,
    vip: IpAddr,
    begin: impl Fn(),
    ask: impl Fn(&Capture),
    fix: impl Fn(),
) {
    let conflicting = mac(&lan.rs1);
    let capture = Capture::start(&lan.client);
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let start = capture
            .seen()
            .last()
            .map_or(SystemTime::UNIX_EPOCH, |seen| seen.at);
        begin();
        ask(&capture);
        let answered = first_claim(&capture, conflicting, vip, start);
        wait_for_conflicts(&lan.director, &[(conflicting, &["rs1"])]);
        let mac = spelled(conflicting);
        let rs1 = match vip {
            IpAddr::V4(_) => "rs1 (192.168.11.21)",
            IpAddr::V6(_) => "rs1 (2001:db8::21)",
        };
        let words = ["WARN", "a real server answers for the VIP", &mac, rs1];
        let reported = logged(agent, start, &words);
        fix();
        wait_for_conflicts(&lan.director, &[]);
        logged(agent, reported, &["INFO", "conflict is over", &mac]);
        // It may be found by a question of its own, before any client is answered.
        let time = reported.duration_since(answered).unwrap_or_default();
        took.push(time);
        if time <= SOON {
            return;
        }
    }
    panic!("not once within {SOON:?}: {took:?}");
}

#[test]
fn a_correct_cluster_has_no_conflict_and_is_asked_sparingly_and_honestly() {
    let lan = lan();
    let capture = Capture::start(&lan.client);
    let (_site, mut agent) = direct(&lan, &configuration(""));
    let director = mac(&lan.director);
    let asks = || {
        let mut seen = capture.seen_of(director);
        seen.retain(|seen| seen.asks == Some(VIP.into()));
        seen
    };
    // At the start, and after that as often as a client can make it ask.
    until(PATIENCE, "eight questions of the director", || {
        capture.ask_for_vip();
        let count = asks().len();
        if count >= 8 { Ok(()) } else { Err(count) }
    });
    // One a second; the times are the watcher's, who may be late for the first.
    let all = asks();
    let took = all.last().unwrap().at.duration_since(all[0].at).unwrap();
    assert!(took.as_millis() > 500 * (all.len() as u128 - 1), "{all:#?}");
    let (client, dip) = (mac(&lan.client), IpAddr::from([192, 168, 11, 10]));
    for seen in capture.seen_of(director) {
        if seen.to == client {
            continue;
        }
        // To all, nobody but the director's own address is spoken of.
        assert_ne!(seen.claims, Some(VIP.into()), "{seen:?}");
    }
    assert!(asks().iter().all(|seen| seen.claims == Some(dip)));
    assert_eq!(conflicts(&lan.director), []);
    assert_eq!(metric(&lan.director, CONFLICTS), Some(0));
    assert!(!agent.output().contains("WARN real"), "{}", agent.output());
    assert!(!agent.output().contains("answers for the VIP"));
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
fn a_real_server_that_lost_its_sysctls_is_found_in_time_and_named() {
    let lan = lan();
    let (_site, mut agent) = direct(&lan, &configuration(""));
    found_in_time(
        &lan,
        &mut agent,
        VIP.into(),
        || set_sysctls(&lan.rs1, LOST),
        Capture::ask_for_vip,
        || set_sysctls(&lan.rs1, IN_ORDER),
    );
}

#[test]
fn arp_sysctls_of_lo_alone_cause_a_conflict() {
    let lan = lan();
    set_sysctls(&lan.rs1, ONLY_LO);
    let (_site, _agent) = direct(&lan, &configuration(""));
    // Asked at the start, with no client's help.
    wait_for_conflicts(&lan.director, &[(mac(&lan.rs1), &["rs1"])]);
    assert_eq!(metric(&lan.director, CONFLICTS), Some(1));
    set_sysctls(&lan.rs1, IN_ORDER);
    wait_for_conflicts(&lan.director, &[]);
    assert_eq!(metric(&lan.director, CONFLICTS), Some(0));
}

#[test]
fn an_ipv6_vip_on_the_lan_side_of_a_real_server_is_found_in_time() {
    let lan = Lan::new();
    for (host, last) in [(&lan.client, 1), (&lan.director, 10), (&lan.rs1, 21)] {
        host.run(&format!(
            "ip address add 2001:db8::{last}/64 dev eth0 nodad"
        ));
    }
    lan.director
        .run("ip address add 2001:db8::200/128 dev eth0 nodad");
    lan.rs1.run("ip address add 2001:db8::200/128 dev lo");
    let configuration = "\
director: { interface: eth0, resync_interval: 1s }
virtual_services:
  - name: web
    address: \"[2001:db8::200]:80\"
    real_servers: [{ name: rs1, address: \"2001:db8::21\" }]
";
    let (_site, mut agent) = direct(&lan, configuration);
    let vip = "2001:db8::200".parse().unwrap();
    found_in_time(
        &lan,
        &mut agent,
        vip,
        || {
            lan.rs1
                .run("ip address add 2001:db8::200/128 dev eth0 nodad");
        },
        |_| {
            lan.client.run("ip -6 neigh flush dev eth0");
            let socket = lan
                .client
                .enter(|| std::net::UdpSocket::bind("[::]:0"))
                .unwrap();
            socket.send_to(b"?", "[2001:db8::200]:9").unwrap();
        },
        || {
            lan.rs1.run("ip address del 2001:db8::200/128 dev eth0");
        },
    );
}

#[test]
fn unknown_host_and_other_director_are_named_by_mac_address() {
    let lan = lan();
    let only_rs1 = configuration("").replace("      - { name: rs2, address: 192.168.11.22 }\n", "");
    let (_site, mut agent) = direct(&lan, &only_rs1);
    lan.rs2.run("ip address del 192.168.11.200/32 dev lo");
    lan.rs2.run("ip address add 192.168.11.200/32 dev eth0");
    Capture::start(&lan.client).ask_for_vip();
    let foreign_host = mac(&lan.rs2);
    wait_for_conflicts(&lan.director, &[(foreign_host, &[])]);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("somebody else answers") && line.contains(&spelled(foreign_host))
    });
}

#[test]
fn gratuitous_announcement_is_a_conflict() {
    let lan = lan();
    let (_site, mut agent) = direct(&lan, &configuration(""));
    let client = mac(&lan.client);
    Capture::start(&lan.client).send(&announcement(client));
    wait_for_conflicts(&lan.director, &[(client, &[])]);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("somebody else answers") && line.contains(&spelled(client))
    });
}

/// Without `arp_announce`, a real server asks for whom it answers in the
/// VIP's name, and never answers a question itself.
#[test]
fn a_real_server_that_asks_in_the_vips_name_is_found() {
    let lan = lan();
    set_sysctls(&lan.rs1, [("net.ipv4.conf.all.arp_announce", "0")]);
    let (_site, _agent) = direct(&lan, &configuration(""));
    let socket = lan
        .rs1
        .enter(|| std::net::UdpSocket::bind((IpAddr::from(VIP), 0)));
    socket.unwrap().send_to(b"?", "192.168.11.77:9").unwrap();
    wait_for_conflicts(&lan.director, &[(mac(&lan.rs1), &["rs1"])]);
}

#[test]
fn real_server_with_arp_conflict_has_weight_0_where_that_is_configured() {
    let lan = lan();
    let _webs = [Web::start(&lan.rs1, "rs1"), Web::start(&lan.rs2, "rs2")];
    let (site, _agent) = direct(&lan, &configuration("on_arp_conflict: quiesce"));
    let wait_for = |weights: [u32; 2], quiesced: Value| {
        until(PATIENCE, "such weights", || {
            let seen = status(&lan.director)["virtual_services"][0]["real_servers"].take();
            let kernel = [0, 1].map(|rs| seen[rs]["weight"]["kernel"].clone());
            let is_up = |rs: usize| seen[rs]["health"] == "up";
            let right = kernel == weights.map(|weight| json!(weight))
                && seen[0]["quiesced"] == quiesced
                && seen[1]["quiesced"] == Value::Null;
            if right && is_up(0) && is_up(1) {
                Ok(())
            } else {
                Err(seen)
            }
        });
    };
    wait_for([1, 1], Value::Null);
    set_sysctls(&lan.rs1, LOST);
    let capture = Capture::start(&lan.client);
    capture.ask_for_vip();
    wait_for([0, 1], json!("arp_conflict"));
    let series =
        "lvs_real_server_quiesced{service=\"web\",real_server=\"rs1\",reason=\"arp_conflict\"}";
    assert_eq!(metric(&lan.director, series), Some(1));
    let (code, shown) = site.finish(&lan.director, &["status"]);
    assert!(
        code == 0 && shown.contains("up, quiesced: arp_conflict"),
        "{shown}"
    );
    until(PATIENCE, "the condition with its fix", || {
        let (_, shown) = site.finish(&lan.director, &["status"]);
        let cause = "which is rs1 (192.168.11.21)\n  fix: there, keep the VIP on lo alone: ";
        if shown.contains(cause) {
            Ok(())
        } else {
            Err(shown)
        }
    });

    // When all real servers have conflicts, all serve.
    set_sysctls(&lan.rs2, LOST);
    capture.ask_for_vip();
    wait_for([1, 1], Value::Null);
    set_sysctls(&lan.rs2, IN_ORDER);
    wait_for([0, 1], json!("arp_conflict"));

    // A reload to `warn` gives the weight back, and one to `quiesce` takes it.
    site.write_configuration(&configuration(""));
    assert_eq!(site.finish(&lan.director, &["reload"]).0, 0);
    wait_for([1, 1], Value::Null);
    assert_eq!(metric(&lan.director, CONFLICTS), Some(1));
    site.write_configuration(&configuration("on_arp_conflict: quiesce"));
    assert_eq!(site.finish(&lan.director, &["reload"]).0, 0);
    wait_for([0, 1], json!("arp_conflict"));

    set_sysctls(&lan.rs1, IN_ORDER);
    wait_for([1, 1], Value::Null);
    assert_eq!(metric(&lan.director, series), None);
}

#[test]
fn without_cap_net_raw_only_the_audit_is_missing_and_one_line_says_so() {
    let lan = lan();
    let _webs = [Web::start(&lan.rs1, "rs1"), Web::start(&lan.rs2, "rs2")];
    set_sysctls(&lan.rs1, LOST);
    let without = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-all"];
    let mut agent = agent_under(
        &without,
        &lan.director,
        &format!("http: {{ listen: 127.0.0.1:9477 }}\n{}", configuration("")),
        &["--table", "memory"],
    );
    let expected = "reason=\"it needs CAP_NET_RAW";
    agent.wait_for_line(PATIENCE, |line| line.contains(expected));
    until(PATIENCE, "verdicts", || {
        let seen = status(&lan.director);
        let up = |rs: usize| seen["virtual_services"][0]["real_servers"][rs]["health"] == "up";
        if up(0) && up(1) { Ok(()) } else { Err(seen) }
    });
    assert_eq!(
        status(&lan.director)["arp_audit"]["error"],
        "it needs CAP_NET_RAW"
    );
    assert_eq!(metric(&lan.director, CONFLICTS), None, "unknown, not none");
    assert_eq!(agent.output().matches(expected).count(), 1);
}
