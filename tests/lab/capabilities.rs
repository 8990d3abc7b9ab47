//! The capabilities that the systemd units leave the agent are enough, and
//! each of them is needed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::{Agent, Lan, Namespace, agent_under, ipvsadm_save, nginx, until};

const DIRECTOR: &str = "deploy/lvs-agent-director.service";
const REAL_SERVER: &str = "deploy/lvs-agent-real-server.service";

const CONFIGURATION: &str = "
director:
  interface: eth0
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check:
      timeout: 20s
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
";

/// For what takes a second on a machine that is not emulated.
const SOON: Duration = Duration::from_secs(60);

/// The names in the unit's `CapabilityBoundingSet=`, and its `ExecStart=`
/// arguments after `run`.
fn unit(path: &str) -> (Vec<String>, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&path).unwrap();
    let value = |key: &str| {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(key));
        let value = values
            .next()
            .unwrap_or_else(|| panic!("no {key} in {path:?}"));
        assert_eq!(values.next(), None, "a second {key} in {path:?}");
        value.split_whitespace().map(str::to_owned)
    };
    assert!(text.lines().any(|line| line == "NoNewPrivileges=yes"));
    (
        value("CapabilityBoundingSet=").collect(),
        value("ExecStart=").skip(2).collect(),
    )
}

/// Starts the agent as the unit does: as root, with these capabilities alone
/// and without a way to others.
fn agent_with(capabilities: &[String], args: &[String], namespace: &Namespace) -> Agent {
    let bounding = capabilities
        .iter()
        .map(|name| name.to_lowercase().replacen("cap_", ",+", 1));
    let bounding = format!("--bounding-set=-all{}", bounding.collect::<String>());
    let setpriv = ["setpriv", "--no-new-privs", "--inh-caps=-all", &bounding];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    agent_under(&setpriv, namespace, CONFIGURATION, &args)
}

/// The capabilities that the process can use, as the kernel numbers them.
fn effective(agent: &Agent) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.unwrap().trim().to_owned()
}

#[test]
fn the_director_works_with_its_units_capabilities() {
    let (capabilities, args) = unit(DIRECTOR);
    assert_eq!(capabilities, ["CAP_NET_ADMIN"]);
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];

    let mut agent = agent_with(&capabilities, &args, &lan.director);
    agent.wait_for_line(SOON, |line| line.contains("director: 1 virtual service"));
    // Bit 12, as in linux/capability.h.
    assert_eq!(effective(&agent), "0000000000001000");

    let wanted = "-A -t 192.168.11.200:80 -s wlc\n\
                  -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1\n\
                  -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 1\n";
    until(SOON, "full table", || {
        let table = ipvsadm_save(&lan.director);
        (table == wanted)
            .then_some(())
            .ok_or_else(|| (table, agent.output()))
    });
    let vip = lan.director.run("ip -o address show label eth0:0");
    assert!(vip.contains("192.168.11.200/32"), "{vip}");
}

#[test]
fn the_real_server_works_with_its_units_capabilities() {
    let (capabilities, args) = unit(REAL_SERVER);
    assert_eq!(capabilities, ["CAP_NET_ADMIN"]);
    assert_eq!(args, ["--real-server"]);
    let lan = Lan::new();

    let agent = agent_with(&capabilities, &args, &lan.rs1);
    until(SOON, "VIP on lo", || {
        let vip = lan.rs1.run("ip -o address show label lo:0");
        vip.contains("192.168.11.200/32")
            .then_some(())
            .ok_or_else(|| (vip, agent.output()))
    });
    assert_eq!(effective(&agent), "0000000000001000");
    let sysctls = lan
        .rs1
        .run("sysctl -n net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce");
    assert_eq!(sysctls, "1\n2\n");
}

#[test]
fn without_them_neither_role_starts_and_each_says_why() {
    let lan = Lan::new();
    for (path, host) in [(DIRECTOR, &lan.director), (REAL_SERVER, &lan.rs1)] {
        let (_, args) = unit(path);
        let mut agent = agent_with(&[], &args, host);
        let ended = agent.wait(SOON);
        let output = agent.output();
        assert_eq!(ended.code(), Some(1), "{path}: {output}");
        let last = output.lines().last().unwrap();
        assert!(last.contains("CAP_NET_ADMIN"), "{path}: {output}");
    }
}
