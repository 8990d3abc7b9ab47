//! Probes through the VIP of a real server that does not serve, beside others
//! that do: none of these ever answers in its place.
//!
//! The last test here takes minutes. Tests begin in the order of their names,
//! so the others run beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use crate::cluster::shown;
use crate::support::{Lan, Namespace, PATIENCE, Process, here, nginx, until};
use crate::vip_lan::{VIP, VipLan};

/// How many services ask each real server, each ten times a second.
const SERVICES: u16 = 5;
/// On a machine that is emulated.
const LONG: Duration = Duration::from_mins(15);

/// All services have the same real servers: rs1, and the others, which are
/// addresses of one host that serves. Their checks differ in the path alone,
/// so all of them go to the same port of the VIP.
fn configuration(real_servers: u16) -> String {
    let mut text = "
http: { listen: 127.0.0.1:9477 }
director: { interface: eth0, resync_interval: 1s }
virtual_services:
"
    .to_owned();
    for number in 0..SERVICES {
        let port = 80 + number;
        let _ = writeln!(
            text,
            "  - name: web{number}
    address: {VIP}:{port}
    check:
      http: {{ port: 80, path: /{number} }}
      via: vip
      interval: 100ms
      timeout: 20s
      rise: 2
      fall: 2
    real_servers:"
        );
        for last in 1..=real_servers {
            let _ = writeln!(
                text,
                "      - {{ name: rs{last}, address: 192.168.11.{} }}",
                20 + last
            );
        }
    }
    text
}

/// The network with nginx on rs2, which has the addresses from rs2's on.
fn serve(real_servers: u16) -> (VipLan, Process) {
    let vip_lan = VipLan::new(&configuration(real_servers));
    for last in 3..=real_servers {
        let address = format!("ip address add 192.168.11.{}/24 dev eth0", 20 + last);
        vip_lan.lan.rs2.run(&address);
    }
    let page = nginx(&vip_lan.lan.rs2, "rs2");
    (vip_lan, page)
}

fn wait_for_the_others(vip_lan: &VipLan, real_servers: u16) {
    for last in 2..=real_servers {
        vip_lan.wait_for_health(&format!("rs{last}"), "up");
    }
}

/// What the agent counts of each real server, over all services.
struct Counted {
    /// Probes by real server, and by result or the cause of the failure.
    probes: BTreeMap<(String, String), u32>,
    /// Real servers that went down, by name.
    fell: BTreeMap<String, u32>,
}

impl Counted {
    fn read(director: &Namespace) -> Self {
        let text = shown(director, "/metrics");
        let (mut probes, mut fell) = (BTreeMap::new(), BTreeMap::new());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\""))?;
                Some(rest.split_once('"')?.0.to_owned())
            };
            let value = || {
                let (_, value) = line.rsplit_once(' ').expect("a value");
                value.parse::<u32>().expect("a count")
            };
            let is_probe = line.starts_with("lvs_probes_total{");
            if is_probe || line.starts_with("lvs_probe_failures_total{") {
                let result = label(if is_probe { "result" } else { "cause" });
                let key = label("real_server").zip(result).expect("labels");
                // Those that failed are counted by their causes.
                if key.1 != "failed" {
                    *probes.entry(key).or_default() += value();
                }
            } else if line.starts_with("lvs_transitions_total{")
                && label("to").as_deref() == Some("down")
            {
                let key = label("real_server").expect("a label");
                *fell.entry(key).or_default() += value();
            }
        }
        Self { probes, fell }
    }

    fn of(&self, real_server: &str, result: &str) -> u32 {
        let key = (real_server.to_owned(), result.to_owned());
        self.probes.get(&key).copied().unwrap_or(0)
    }

    fn all_of(&self, real_server: &str) -> u32 {
        let of_it =
            |((name, _), count): (&(String, String), &u32)| (name == real_server).then_some(*count);
        self.probes.iter().filter_map(of_it).sum()
    }
}

/// Nobody answers in the place of rs1, whatever becomes of the table, and
/// nobody else falls for it.
fn disturbed(disturb: impl Fn(&Lan), afterwards: impl FnOnce(&VipLan)) {
    let (vip_lan, _page) = serve(5);
    let _director = vip_lan.direct();
    wait_for_the_others(&vip_lan, 5);
    let counted = until(LONG, "500 probes of rs1", || {
        disturb(&vip_lan.lan);
        let counted = Counted::read(&vip_lan.lan.director);
        if counted.all_of("rs1") >= 500 {
            Ok(counted)
        } else {
            Err(counted.probes)
        }
    });
    assert_eq!(counted.of("rs1", "ok"), 0, "{:?}", counted.probes);
    assert!(
        counted.of("rs1", "refused") > 0,
        "rs1 was not asked: {:?}",
        counted.probes
    );
    for real_server in ["rs2", "rs3", "rs4", "rs5"] {
        let fell = counted.fell.get(real_server);
        assert_eq!(fell, Some(&0), "{real_server} of {:?}", counted.probes);
    }
    afterwards(&vip_lan);
}

#[test]
fn emptied_table_makes_no_real_server_up() {
    let empty = |lan: &Lan| {
        lan.director.run("ipvsadm -C");
    };
    disturbed(empty, |_| {});
}

#[test]
fn removed_service_by_mark_makes_no_real_server_up() {
    let remove = |lan: &Lan| {
        // The first path's; where it is missing already, that is as good.
        let mut remove = Command::new("ipvsadm");
        remove.args(["-D", "-f", "8193"]);
        let _ = lan.director.output(remove);
    };
    disturbed(remove, |_| {});
}

#[test]
fn backup_that_passes_all_packets_makes_no_real_server_up() {
    let start = |lan: &Lan| {
        lan.director.run("sysctl -q -w net.ipv4.vs.backup_only=1");
        let mut start = Command::new("ipvsadm");
        start.args(["--start-daemon", "backup", "--mcast-interface", "eth0"]);
        // It runs already from the second time on.
        let _ = lan.director.output(start);
    };
    disturbed(start, |vip_lan| {
        vip_lan.wait_for_diagnosis("rs2", "unverified");
        vip_lan.lan.director.run("ipvsadm --stop-daemon backup");
        vip_lan.wait_for_diagnosis("rs2", "ok");
    });
}

/// As policy routing and VPNs write it. The probes then go where clients go, to
/// anybody, and what they find is nobody's fault.
#[test]
fn a_rule_that_clears_marks_changes_no_verdict() {
    let (vip_lan, page) = serve(3);
    let director = &vip_lan.lan.director;
    let _agent = vip_lan.direct();
    wait_for_the_others(&vip_lan, 3);
    vip_lan.wait_for_diagnosis("rs1", "application_down");
    director.run(
        "nft add table ip lab { chain output { type route hook output priority mangle ; \
         meta mark set ct mark ; } ; }",
    );
    for real_server in ["rs1", "rs2", "rs3"] {
        vip_lan.wait_for_diagnosis(real_server, "unverified");
    }
    let before = Counted::read(director);
    // Whoever answers for another now, refuses.
    drop(page);
    until(PATIENCE, "100 probes of each that serves", || {
        let counted = Counted::read(director);
        let more = |name| counted.all_of(name) - before.all_of(name);
        let made = (more("rs2"), more("rs3"));
        if made.0 >= 100 && made.1 >= 100 {
            Ok(())
        } else {
            Err(made)
        }
    });
    let _page = nginx(&vip_lan.lan.rs2, "rs2");
    director.run("nft delete table ip lab");
    for real_server in ["rs2", "rs3"] {
        vip_lan.wait_for_diagnosis(real_server, "ok");
    }
    vip_lan.wait_for_diagnosis("rs1", "application_down");
    let counted = Counted::read(director);
    assert_eq!(counted.of("rs1", "ok"), 0, "{:?}", counted.probes);
    for real_server in ["rs2", "rs3"] {
        let fell = counted.fell.get(real_server);
        assert_eq!(fell, Some(&0), "{real_server} of {:?}", counted.probes);
    }
}

/// The connections that IPVS ever made for each real server's mark, in the
/// order of the marks.
///
/// The kernel resumes a dump by counting the services of all network namespaces
/// (`ip_vs_genl_dump_services`), and the test beside this one has some in its
/// own: `ipvsadm` may list a service of this table twice, or leave one out.
fn connections(director: &Namespace) -> Vec<u32> {
    let table = director.run("ipvsadm -Ln --stats --exact");
    let mut lines = table.lines();
    let mut found = BTreeMap::new();
    while let Some(line) = lines.next() {
        let mark = line.strip_prefix("FWM").and_then(|rest| {
            let mark = rest.split_whitespace().next()?;
            mark.parse::<u32>().ok()
        });
        // The first mark is the canary's.
        if let Some(mark) = mark.filter(|mark| *mark > 8192) {
            let destination = lines.next().expect("the only destination");
            let count = destination.split_whitespace().nth(2).expect("a count");
            found.insert(mark, count.parse().expect("a count"));
        }
    }
    found.into_values().collect()
}

/// IPVS knows a connection by its ports alone: a port that came to the dead
/// one after another real server had it would be answered by that one. It is
/// forgiving where a connection was refused, and lets the next take another
/// way; not so where nobody said anything, so one real server is not there.
#[test]
fn answer_is_never_attributed_to_another_real_server() {
    let (vip_lan, _page) = serve(5);
    vip_lan
        .lan
        .rs2
        .run("ip address del 192.168.11.25/24 dev eth0");
    let director = &vip_lan.lan.director;
    // Few ports, so that they come around again and again.
    director.enter(|| {
        let range = "/proc/sys/net/ipv4/ip_local_port_range";
        std::fs::write(range, "40000 47999").expect("the range of ports");
    });
    let _agent = vip_lan.direct();
    wait_for_the_others(&vip_lan, 4);
    let names = ["rs1", "rs2", "rs3", "rs4", "rs5"];
    let there = &names[..4];
    let counted = until(LONG, "20,000 probes", || {
        let counted = Counted::read(director);
        for (real_server, anothers) in [
            ("rs1", ["ok", "unreachable"]),
            ("rs2", ["refused", "unreachable"]),
            ("rs3", ["refused", "unreachable"]),
            ("rs4", ["refused", "unreachable"]),
            ("rs5", ["ok", "refused"]),
        ] {
            let wrong = anothers.map(|result| counted.of(real_server, result));
            assert_eq!(wrong, [0, 0], "{real_server}: {:?}", counted.probes);
        }
        let all: u32 = there.iter().map(|name| counted.all_of(name)).sum();
        if all >= 20_000 {
            Ok(counted)
        } else {
            Err(counted.probes)
        }
    });
    let asked: u32 = there
        .iter()
        .map(|name| counted.of(name, "ok") + counted.of(name, "refused"))
        .sum();
    assert!(asked > 19_000, "{:?}", counted.probes);
    assert!(counted.of("rs5", "unreachable") > 0, "{:?}", counted.probes);
    // Those that serve answer alike. So the kernel has to have made as many
    // connections for each as the agent says it asked.
    let all: Vec<_> = names.iter().map(|name| counted.all_of(name)).collect();
    let made = until(PATIENCE, "the connections of these probes", || {
        let made = connections(director);
        assert!(made.len() <= names.len(), "{made:?}");
        let complete = made.len() == names.len();
        if complete && made.iter().zip(&all).all(|(made, counted)| made >= counted) {
            Ok(made)
        } else {
            Err((made, all.clone()))
        }
    });
    let later = Counted::read(director);
    for (name, made) in names.iter().zip(made) {
        // Those under way, and one in twenty that is begun again because others
        // ended as it was looked for: on a slower machine there is more time between
        // the two looks, and more end meanwhile.
        println!(
            "{name}: {made} connections for {counted} probes",
            counted = later.all_of(name)
        );
        let counted = later.all_of(name) + u32::from(SERVICES);
        let slowness = here(Duration::from_secs(1)).as_secs_f64();
        let most = f64::from(counted) * (1.0 + slowness / 20.0);
        assert!(f64::from(made) <= most, "{name}: {made}, {counted}");
    }
}
