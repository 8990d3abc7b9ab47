//! `doctor` on a director: what it finds, and that it changes nothing.

use std::collections::BTreeMap;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, QUICK, add_vip};
use crate::support::{Lan, Namespace, PATIENCE, Site, Web, until};

/// What the host's kernel holds, as others show it: the table and addresses,
/// line by line, and each sysctl of its namespace.
fn kernel(host: &Namespace) -> (Vec<String>, BTreeMap<String, String>) {
    let shown = [
        "ipvsadm -Sn",
        "ip rule",
        "ip -6 rule",
        "ip route show table all",
    ];
    let mut state: Vec<_> = shown.iter().map(|line| host.run(line)).collect();
    // Without the lifetimes, which run out.
    let addresses = host.run("ip -o address");
    let addresses = addresses.lines().filter_map(|line| line.split('\\').next());
    state.extend(addresses.map(str::to_owned));
    let mut sysctl = Command::new("sysctl");
    sysctl.args(["-a", "--pattern", "^net\\.ipv[46]\\."]);
    // Some parameters cannot be read, and it says so in its exit code.
    let sysctls = String::from_utf8(host.output(sysctl).stdout).unwrap();
    let pairs = sysctls.lines().filter_map(|line| line.split_once(" = "));
    let pairs: BTreeMap<_, _> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    assert!(pairs.contains_key("net.ipv4.vs.expire_nodest_conn"));
    (state, pairs)
}

/// Waits until the kernel has asked for the last time whether another host has
/// the link-local address of the interface: until then it changes by itself.
fn wait_for_settled_addresses(host: &Namespace) {
    until(PATIENCE, "no tentative address", || {
        let addresses = host.run("ip -o address show tentative");
        if addresses.is_empty() {
            Ok(())
        } else {
            Err(addresses)
        }
    });
}

fn doctor(cluster: &Cluster) -> (i32, Vec<Value>) {
    doctor_of(&cluster.site, &cluster.lan.director)
}

fn doctor_of(site: &Site, director: &Namespace) -> (i32, Vec<Value>) {
    wait_for_settled_addresses(director);
    let (state, sysctls) = kernel(director);
    let (code, printed) = site.finish(director, &["doctor", "--all", "--json"]);
    let (state_after, mut sysctls_after) = kernel(director);
    assert_eq!(state_after, state, "it is read-only");
    // A module that another test has loaded meanwhile brings parameters.
    sysctls_after.retain(|key, _| sysctls.contains_key(key));
    assert_eq!(sysctls_after, sysctls, "it is read-only");
    let findings: Value =
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    (code, findings.as_array().unwrap().clone())
}

/// The findings that are not ok: verdict, check and subject.
fn bad(findings: &[Value]) -> Vec<String> {
    let bad = findings.iter().filter(|finding| finding["verdict"] != "ok");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    bad.map(|finding| {
        assert!(finding["fix"].is_string(), "{finding}");
        ["verdict", "check", "subject"]
            .map(|key| text(finding, key))
            .join(" ")
    })
    .collect()
}

#[test]
fn doctor_finds_nothing_on_a_healthy_director_and_each_fault_afterwards() {
    // The doctor's own probes are the first that a fresh process makes.
    let configuration = QUICK.replace("timeout: 10s", "timeout: 30s").replace(
        "interface: eth0, resync_interval: 1s",
        "interface: eth0, resync_interval: 1day",
    );
    let cluster = Cluster::new(&configuration);
    let director = &cluster.lan.director;
    let _web = Web::start(&cluster.lan.rs1, "rs1");
    let web = Web::start(&cluster.lan.rs2, "rs2");
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    cluster.wait_for_weight("192.168.11.22", 1);

    let (code, findings) = doctor(&cluster);
    assert_eq!((code, bad(&findings)), (0, vec![]), "{findings:#?}");
    let seen = |check: &str| findings.iter().any(|finding| finding["check"] == check);
    for check in [
        "configuration",
        "permission",
        "module",
        "sysctl",
        "vip",
        "duplicate_vip",
        "table",
        "real_server",
        "agent",
    ] {
        assert!(seen(check), "no {check} in {findings:#?}");
    }
    let (code, text) = cluster.site.finish(director, &["doctor"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(text, "0 problems, 0 warnings, 14 ok\n");

    // Warnings alone are no failure.
    director.run("ipvsadm -A -t 192.168.11.99:80 -s rr");
    director.run("ip address add 192.168.11.200/32 dev lo");
    let (code, findings) = doctor(&cluster);
    let warnings = [
        "warning vip 192.168.11.200",
        "warning table tcp 192.168.11.99:80",
    ];
    assert_eq!(
        (code, bad(&findings)),
        (0, warnings.map(str::to_owned).into())
    );
    // Each fix works.
    for finding in findings.iter().filter(|finding| finding["verdict"] != "ok") {
        director.run(&finding["fix"].as_str().unwrap().replace('"', ""));
    }
    assert_eq!(doctor(&cluster).0, 0);

    // Two hosts have the VIP.
    let conflicting = &cluster.lan.rs1;
    conflicting.run("ip address add 192.168.11.200/32 dev eth0");
    until(PATIENCE, "the conflicting real server by its name", || {
        let (code, text) = cluster.site.finish(director, &["doctor"]);
        let is_reported = text.contains("rs1 (192.168.11.21) answers for it on the link");
        if (code, is_reported) == (3, true) {
            Ok(())
        } else {
            Err(text)
        }
    });
    conflicting.run("ip address del 192.168.11.200/32 dev eth0");

    drop(web);
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    director.run("ip address del 192.168.11.200/32 dev eth0");
    director.run("ipvsadm -D -t 192.168.11.200:80");
    let (code, findings) = doctor(&cluster);
    let expected = [
        "problem vip 192.168.11.200",
        "problem table tcp 192.168.11.200:80",
        "problem real_server web/rs2",
        "warning agent process",
    ];
    assert_eq!(
        (code, bad(&findings)),
        (3, expected.map(str::to_owned).into())
    );
}

/// Waits until the table has this weight for rs1, and 1 for rs2: while they
/// change, `doctor` cannot be seen to be read-only.
fn wait_for_weight_of_rs1(lan: &Lan, weight: u32) {
    let lines = [("21", weight), ("22", 1)];
    let lines = lines.map(|(rip, weight)| format!("-r 192.168.11.{rip}:80 -g -w {weight}\n"));
    until(PATIENCE, &format!("{lines:?}"), || {
        let table = lan.director.run("ipvsadm -Sn");
        if lines.iter().all(|line| table.contains(line)) {
            Ok(())
        } else {
            Err(table)
        }
    });
}

/// What `doctor` prints below the finding of which this is the beginning.
fn printed_fix(site: &Site, director: &Namespace, finding: &str) -> String {
    let (_, text) = site.finish(director, &["doctor"]);
    let mut lines = text.lines();
    let found = lines.any(|line| line.starts_with(finding));
    assert!(found, "no {finding} in:\n{text}");
    let fix = lines
        .next()
        .and_then(|line| line.trim().strip_prefix("fix: "));
    fix.unwrap_or_else(|| panic!("no fix in:\n{text}"))
        .to_owned()
}

/// Nobody but the test looks after rs1: what is lost there stays so.
#[test]
fn fixes_for_probes_through_the_vip_work_as_pasted() {
    let configuration = QUICK.replace("http: {}, ", "http: {}, via: vip, ");
    let configuration = configuration.replace("timeout: 10s", "timeout: 5s");
    let (lan, site) = (Lan::new(), Site::new(&configuration));
    let (director, rs1) = (&lan.director, &lan.rs1);
    for host in [rs1, &lan.rs2] {
        add_vip(host);
    }
    let _pages = [Web::start(rs1, "rs1"), Web::start(&lan.rs2, "rs2")];
    let mut agent = site.start(director, &[]);
    let well = || {
        wait_for_weight_of_rs1(&lan, 1);
        until(PATIENCE, "doctor content", || {
            let (code, findings) = doctor_of(&site, director);
            let bad = bad(&findings);
            if code == 0 && bad.is_empty() {
                Ok(findings)
            } else {
                Err(bad)
            }
        })
    };
    let findings = well();
    for check in ["through_vip", "mark", "diagnosis"] {
        let found = findings.iter().any(|finding| finding["check"] == check);
        assert!(found, "no {check} in {findings:#?}");
    }

    rs1.run("ip address del 192.168.11.200/32 dev lo");
    wait_for_weight_of_rs1(&lan, 0);
    let (code, findings) = doctor_of(&site, director);
    let problem = "problem diagnosis web/rs1".to_owned();
    assert_eq!((code, bad(&findings)), (3, vec![problem]), "{findings:#?}");
    let finding = "problem  diagnosis     web/rs1: vip_missing: ";
    let fix = printed_fix(&site, director, finding);
    assert!(
        fix.starts_with("on 192.168.11.21, `ip address add"),
        "{fix}"
    );
    rs1.run(fix.split('`').nth(1).expect("a command"));
    well();

    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
    director.run("sysctl -q -w net.ipv4.conf.eth0.accept_local=0");
    let stopped = ["warning through_vip probes", "warning agent process"];
    let expected = [stopped[0], "problem through_vip 192.168.11.200", stopped[1]];
    let (code, findings) = doctor_of(&site, director);
    assert_eq!(
        (code, bad(&findings)),
        (3, expected.map(str::to_owned).into()),
        "{findings:#?}"
    );
    let finding = "problem  through_vip   192.168.11.200: this host drops its answers";
    director.run(&printed_fix(&site, director, finding));
    let (code, findings) = doctor_of(&site, director);
    assert_eq!(
        (code, bad(&findings)),
        (0, stopped.map(str::to_owned).into())
    );

    // A mark without its service, one that another program gave a service, and a
    // backup that lets all packets pass.
    director.run("ipvsadm -D -f 8193");
    director.run("ipvsadm -A -f 8200 -s rr");
    director.run("sysctl -q -w net.ipv4.vs.backup_only=1");
    director.run("ipvsadm --start-daemon backup --mcast-interface eth0");
    let (code, findings) = doctor_of(&site, director);
    director.run("ipvsadm --stop-daemon backup");
    let expected = [
        "warning sysctl net.ipv4.vs.backup_only",
        "problem mark fwmark 8193 ipv4",
        "warning mark fwmark 8200 ipv4",
        "warning through_vip probes",
        "warning through_vip probes",
        "warning agent process",
    ];
    assert_eq!(
        (code, bad(&findings)),
        (3, expected.map(str::to_owned).into()),
        "{findings:#?}"
    );
}

/// What names an interface that is not there is fixed first, and nothing is
/// well that nobody can know.
#[test]
fn missing_interface_is_the_first_finding() {
    let other = "
  - name: other
    address: 192.168.11.200:8080
    check: { http: {}, interface: eht1 }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
";
    let configuration = QUICK
        .replace("interface: eth0", "interface: eht0")
        .replace("http: {}, ", "http: {}, via: vip, ");
    let configuration = configuration + other;
    let (lan, site) = (Lan::new(), Site::new(&configuration));
    let (code, findings) = doctor_of(&site, &lan.director);
    assert_eq!(code, 3);
    let of = |check: &str| {
        let of = findings
            .iter()
            .filter(move |finding| finding["check"] == check);
        let reported = of.map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap_or("none").to_owned();
            [text("verdict"), text("subject"), text("fix")].join(" ")
        });
        reported.collect::<Vec<_>>()
    };
    let interface = "see `ip -brief link`, and correct `director.interface`";
    let start = format!("{interface}; then systemctl start lvs-agent-director");
    assert_eq!(of("interface"), [format!("problem eht0 {interface}")]);
    assert_eq!(of("through_vip"), [format!("warning probes {start}")]);
    assert_eq!(of("agent"), [format!("warning process {start}")]);
    let fix = "see `ip -brief link`, and correct `check.interface`";
    let unmade = format!("warning other/rs1 {fix}");
    assert!(of("real_server").contains(&unmade), "{findings:#?}");
}

#[test]
fn without_permission_the_doctor_says_so() {
    let cluster = Cluster::new(QUICK);
    let doctor = cluster.site.command("doctor");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
    command.arg(doctor.get_program()).args(doctor.get_args());
    let output = cluster.lan.director.output(command);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{printed}");
    let line = "problem  permission    CAP_NET_ADMIN: this process does not have it";
    assert!(printed.contains(line), "{printed}");
}
