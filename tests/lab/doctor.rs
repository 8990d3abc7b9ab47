//! `doctor` on a director: what it finds, and that it changes nothing.

use std::collections::BTreeMap;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, QUICK};
use crate::support::{Namespace, PATIENCE, Web, until};

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

fn doctor(cluster: &Cluster) -> (i32, Vec<Value>) {
    let director = &cluster.lan.director;
    let (state, sysctls) = kernel(director);
    let (code, printed) = cluster.site.finish(director, &["doctor", "--json"]);
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
        assert!(finding["mend"].is_string(), "{finding}");
        ["verdict", "check", "subject"]
            .map(|key| text(finding, key))
            .join(" ")
    })
    .collect()
}

#[test]
fn a_director_is_well_and_then_is_not() {
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
    assert!(text.ends_with("0 problems, 0 warnings, 12 ok\n"), "{text}");

    // Warnings alone are no failure.
    director.run("ipvsadm -A -t 192.168.11.99:80 -s rr");
    director.run("ip address add 192.168.11.200/32 dev lo");
    director.run("sysctl -q -w net.ipv4.vs.expire_nodest_conn=0");
    let (code, findings) = doctor(&cluster);
    let warnings = [
        "warning sysctl net.ipv4.vs.expire_nodest_conn",
        "warning vip 192.168.11.200",
        "warning table tcp 192.168.11.99:80",
    ];
    assert_eq!(
        (code, bad(&findings)),
        (0, warnings.map(str::to_owned).into())
    );
    // Each mend mends.
    for finding in findings.iter().filter(|finding| finding["verdict"] != "ok") {
        director.run(&finding["mend"].as_str().unwrap().replace('"', ""));
    }
    assert_eq!(doctor(&cluster).0, 0);

    // Two hosts have the VIP.
    let thief = &cluster.lan.rs1;
    thief.run("ip address add 192.168.11.200/32 dev eth0");
    until(PATIENCE, "the thief by its name", || {
        let (code, text) = cluster.site.finish(director, &["doctor"]);
        let told = text.contains("rs1 (192.168.11.21) answers for it on the link");
        if (code, told) == (3, true) {
            Ok(())
        } else {
            Err(text)
        }
    });
    thief.run("ip address del 192.168.11.200/32 dev eth0");

    drop(web);
    director.run("ip address del 192.168.11.200/32 dev eth0");
    agent.signal(Signal::SIGKILL);
    agent.wait(PATIENCE);
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
