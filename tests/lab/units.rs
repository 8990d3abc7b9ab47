//! The systemd units of `deploy/`, under a real systemd: the sandbox that they
//! ask for leaves the agent all that it needs, and no capability too many.

use std::fs;
use std::net::SocketAddr;

use crate::checks::{seen, service};
use crate::cluster::{TABLE, add_vip, assert_has_vip, request, wait_for_table};
use crate::support::{
    Lan, Namespace, PATIENCE, Systemd, agent_under, exchange, ipvsadm_save, nginx, until,
    while_repeating,
};

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

/// `CAP_NET_ADMIN` alone, bit 12, as `/proc/PID/status` has it.
const NET_ADMIN: &str = "0000000000001000";
/// That, and `CAP_NET_RAW`, bit 13.
const NET_ADMIN_AND_RAW: &str = "0000000000003000";
/// Those, and `CAP_KILL`, `CAP_SETGID` and `CAP_SETUID`, bits 5 to 7.
const WITH_USERS: &str = "00000000000030e0";

fn shipped(file: &str) -> String {
    let path = format!("{}/config/{file}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).unwrap()
}

fn ready(host: &Namespace) -> Result<String, String> {
    let listens = SocketAddr::from(([127, 0, 0, 1], 9477));
    host.enter(|| exchange(listens, "GET", "/readyz", PATIENCE))
        .map_err(|error| error.to_string())
        .and_then(|answer| match answer.status {
            200 => Ok(answer.body),
            _ => Err(answer.body),
        })
}

/// Waits until the result of each of these services' probes is so, with this in its
/// detail.
fn until_probed(systemd: &Systemd<'_>, expected: &[(&str, u32, &str, &str)]) {
    until(PATIENCE, &format!("{expected:?}"), || {
        let seen = seen(systemd.namespace);
        let right = expected.iter().all(|(service, weight, result, detail)| {
            let seen = &seen[*service];
            seen.weight == *weight && seen.result == *result && seen.detail.contains(detail)
        });
        if right { Ok(()) } else { Err(seen) }
    });
}

/// What the example configurations ask for is there in the words of `ipvsadm`,
/// `ip` and `sysctl`, and both roles say that they are ready.
fn the_units_as_shipped_carry_out(configuration: &str) {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    let configuration = shipped(configuration);
    let hosts = [
        (&lan.rs1, "lvs-agent-real-server.service"),
        (&lan.rs2, "lvs-agent-real-server.service"),
        (&lan.director, "lvs-agent-director.service"),
    ];
    let systemds = hosts.map(|(host, unit)| Systemd::start(host, unit, &configuration));
    for ((host, _), systemd) in hosts.iter().zip(&systemds) {
        systemd.until_state("active");
        until(PATIENCE, "readiness", || {
            ready(host).map_err(|message| (message, systemd.log()))
        });
    }
    // The examples' time-out of 1 s may pass on a machine that is busy.
    wait_for_table(&systemds[2]);
    let sysctls = "net.ipv4.vs.expire_nodest_conn net.ipv4.vs.expire_quiescent_template";
    let sysctls = lan.director.run(&format!("sysctl -n {sysctls}"));
    assert_eq!(sysctls, "1\n1\n");
    assert_has_vip(&lan.director);
    for real_server in [&lan.rs1, &lan.rs2] {
        let vip = real_server.run("ip -o address show label lo:0");
        assert!(vip.contains("192.168.11.200/32"), "{vip}");
        let sysctls = ["all.arp_ignore", "all.arp_announce", "lo.arp_ignore"];
        let more = ["lo.arp_announce", "default.rp_filter"];
        let sysctls = sysctls.iter().chain(&more);
        let sysctls: Vec<_> = sysctls.map(|s| format!("net.ipv4.conf.{s}")).collect();
        let sysctls = real_server.run(&format!("sysctl -n {}", sysctls.join(" ")));
        assert_eq!(sysctls, "1\n2\n1\n2\n1\n");
    }
    let page = request(&lan.client).unwrap();
    assert!(page == "rs1" || page == "rs2", "{page}");
    for systemd in &systemds {
        assert_eq!(systemd.journal(&["--priority=err"]), "");
        let lines = systemd.journal(&["--priority=info..info", "--output=cat"]);
        let listening = "lvs_agent::agent::startup_resources: listening http=127.0.0.1:9477 ";
        assert!(
            lines.lines().any(|line| line.starts_with(listening)),
            "{lines}"
        );
    }
}

#[test]
fn the_units_as_shipped_carry_out_the_complete_example() {
    the_units_as_shipped_carry_out("cluster.yaml");
}

#[test]
fn the_units_as_shipped_carry_out_the_smallest_example() {
    the_units_as_shipped_carry_out("minimal.yaml");
}

#[test]
fn directors_unit_runs_and_restarts_the_agent_and_refuses_a_broken_configuration() {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    let systemd = Systemd::start(&lan.director, "lvs-agent-director.service", CONFIGURATION);

    systemd.until_state("active");
    systemd.assert_confined(NET_ADMIN_AND_RAW);
    wait_for_table(&systemd);
    assert_has_vip(&lan.director);

    let log = systemd.log();
    assert!(!log.contains("no ARP audit"), "{log}");

    let killed = systemd.agent();
    systemd.run(&["systemctl", "kill", "--signal=KILL", systemd.unit]);
    until(PATIENCE, "restart of the killed agent", || {
        let (now, state) = (systemd.agent(), systemd.property("ActiveState"));
        (now != killed && now != "0" && state == "active")
            .then_some(())
            .ok_or_else(|| (now, state, systemd.log()))
    });
    assert_eq!(ipvsadm_save(&lan.director), TABLE);

    systemd.run(&["sh", "-c", "echo mistake: 1 >>/etc/lvs-agent/config.yaml"]);
    systemd.run(&["systemctl", "restart", systemd.unit]);
    systemd.until_state("failed");
    assert_eq!(systemd.property("ExecMainStatus"), "2", "{}", systemd.log());
    assert_eq!(ipvsadm_save(&lan.director), TABLE);
}

/// No thread of the stopped process runs, so nothing feeds systemd's watchdog.
#[test]
fn systemd_restarts_an_agent_that_stands_still_and_traffic_does_not_notice() {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    for real_server in [&lan.rs1, &lan.rs2] {
        add_vip(real_server);
    }
    let quick = CONFIGURATION.replace("director:\n", "director:\n  resync_interval: 1s\n");
    let systemd = Systemd::start(&lan.director, "lvs-agent-director.service", &quick);
    systemd.until_state("active");
    wait_for_table(&systemd);

    let ask = || {
        request(&lan.client).expect("an answer");
    };
    while_repeating(ask, |requests| {
        let stuck = systemd.agent();
        let more = "  - name: more\n    address: 192.168.11.201:80\n    \
                    real_servers: [{ name: rs1, address: 192.168.11.21 }]\n";
        systemd.run(&[
            "sh",
            "-c",
            &format!("printf '{more}' >>/etc/lvs-agent/config.yaml"),
        ]);
        systemd.run(&["systemctl", "kill", "--signal=STOP", systemd.unit]);
        until(PATIENCE, "restart by systemd's watchdog", || {
            let (restarts, now) = (systemd.property("NRestarts"), systemd.agent());
            let running = now != stuck && now != "0" && systemd.property("ActiveState") == "active";
            (restarts == "1" && running)
                .then_some(())
                .ok_or_else(|| (restarts, now, systemd.log()))
        });
        until(PATIENCE, "new service, by the new agent", || {
            let table = ipvsadm_save(&lan.director);
            let more = "-a -t 192.168.11.201:80 -r 192.168.11.21:80 -g";
            let as_before = TABLE.lines().all(|line| table.contains(line));
            assert!(as_before, "{table}");
            table.contains(more).then_some(()).ok_or(table)
        });
        requests.wait_for(20);
    });
}

/// The directories of an agent that ran as root, the files of a command that
/// root runs, and a configuration that only root may read.
#[test]
fn directors_unit_shares_files_with_root() {
    let lan = Lan::new();
    let _page = nginx(&lan.rs1, "rs1");
    let systemd = Systemd::start(&lan.director, "lvs-agent-director.service", CONFIGURATION);
    let state = "/var/lib/lvs-agent/director.json";
    let owner = |path: &str| systemd.run(&["stat", "--format=%U:%G", path]);
    let stop = || {
        systemd.run(&["systemctl", "stop", systemd.unit]);
        systemd.until_state("inactive");
    };
    let start = || {
        systemd.run(&["systemctl", "start", systemd.unit]);
        systemd.until_state("active");
        assert_eq!(owner(state), "lvs-agent:lvs-agent");
        assert_eq!(owner("/run/lvs-agent"), "lvs-agent:lvs-agent");
    };
    systemd.until_state("active");
    stop();

    let directories = ["/var/lib/lvs-agent", "/run/lvs-agent"];
    for directory in directories {
        systemd.run(&["touch", &format!("{directory}/left.lock")]);
        systemd.run(&["chown", "-R", "root:root", directory]);
        assert_eq!(owner(directory), "root:root");
    }
    start();
    let drain = ["/usr/local/bin/lvs-agent", "drain", "web/rs2"];
    let drained = systemd.run(&drain);
    assert!(drained.starts_with("web/rs2: drain"), "{drained}");
    assert_eq!(
        owner("/var/lib/lvs-agent/drains.json"),
        "lvs-agent:lvs-agent"
    );
    stop();

    let cleaned = systemd.run(&["/usr/local/bin/lvs-agent", "cleanup"]);
    assert_eq!(ipvsadm_save(&lan.director), "", "{cleaned}");
    assert_eq!(owner(state), "lvs-agent:lvs-agent", "{cleaned}");
    start();

    systemd.run(&["chown", "root:root", "/etc/lvs-agent/config.yaml"]);
    systemd.run(&["systemctl", "restart", systemd.unit]);
    systemd.until_state("failed");
    let log = systemd.log();
    assert_eq!(systemd.property("ExecMainStatus"), "2", "{log}");
    assert!(log.contains("let the agent's user read it"), "{log}");
}

#[test]
fn the_real_servers_unit_lets_it_set_sysctls_and_vip() {
    let lan = Lan::new();
    let systemd = Systemd::start(&lan.rs1, "lvs-agent-real-server.service", CONFIGURATION);

    systemd.until_state("active");
    systemd.assert_confined(NET_ADMIN);
    let as_configured = || {
        let vip = lan.rs1.run("ip -o address show label lo:0");
        assert!(vip.contains("192.168.11.200/32"), "{}", systemd.log());
        let sysctls = lan
            .rs1
            .run("sysctl -n net.ipv4.conf.all.arp_ignore net.ipv4.conf.all.arp_announce");
        assert_eq!(sysctls, "1\n2\n");
    };
    as_configured();

    systemd.run(&["systemctl", "stop", systemd.unit]);
    systemd.until_state("inactive");
    as_configured();
}

/// As the unit is, all checks work but one, which says what it needs; with
/// what `deploy/` has for it, it works, too.
#[test]
fn the_directors_unit_lets_checks_do_what_they_need() {
    let lan = Lan::new();
    let _page = nginx(&lan.rs1, "rs1");
    let local = "http: { port: 80 }, source: 192.168.11.10, interface: eth0";
    let user = "exec: { command: [/bin/sh, /run/check], user: nobody }";
    let services = [
        ("bound", local),
        ("bound-udp", "udp: { port: 9 }, interface: eth0"),
        ("exec", "exec: { command: [/bin/true] }"),
        (
            "exec-own-user",
            "exec: { command: [/bin/true], user: lvs-agent }",
        ),
        ("exec-user", user),
        ("ping", "ping: {}"),
    ];
    let services = services.into_iter().zip(1..).map(|((name, check), port)| {
        let check = format!("{check}, interval: 2s, timeout: 5s, rise: 1, fall: 1");
        service(name, "tcp", port, &check, "")
    });
    let services: String = services.collect();
    let configuration = format!("director: {{ interface: eth0 }}\nvirtual_services:\n{services}");
    let systemd = Systemd::start(&lan.director, "lvs-agent-director.service", &configuration);
    systemd.until_state("active");
    systemd.assert_confined(NET_ADMIN_AND_RAW);
    until_probed(
        &systemd,
        &[
            ("bound", 1, "ok", "HTTP 200"),
            // Nobody listens there, and it takes the interface to learn that.
            ("bound-udp", 0, "refused", "connection refused"),
            ("exec", 1, "ok", "exit code 0"),
            ("exec-own-user", 1, "ok", "exit code 0"),
            (
                "exec-user",
                0,
                "internal",
                "the agent lacks CAP_SETUID, CAP_SETGID, CAP_KILL, which deploy/",
            ),
            ("ping", 1, "ok", "echo reply"),
        ],
    );

    let check = r#"test "$(id -un) $(id -G)" = "nobody $(id -g nobody)""#;
    let write = |program: &str| {
        let replace = r#"printf '%s' "$1" >/run/part && mv /run/part /run/check"#;
        systemd.run(&["sh", "-c", replace, "sh", program]);
    };
    write(check);
    let drop_in = fs::read_to_string(format!(
        "{}/deploy/lvs-agent-director.service.d/exec-user.conf",
        env!("CARGO_MANIFEST_DIR")
    ));
    let install = r#"mkdir "/etc/systemd/system/$2.d" && printf '%s' "$1" >"/etc/systemd/system/$2.d/exec-user.conf""#;
    systemd.run(&["sh", "-c", install, "sh", &drop_in.unwrap(), systemd.unit]);
    systemd.run(&["systemctl", "daemon-reload"]);
    systemd.run(&["systemctl", "restart", systemd.unit]);
    systemd.until_state("active");
    systemd.assert_confined(WITH_USERS);
    until_probed(&systemd, &[("exec-user", 1, "ok", "exit code 0")]);

    write("sleep 86414 & exec sleep 86414");
    until_probed(
        &systemd,
        &[("exec-user", 0, "timeout", "timed out after 5s")],
    );
    write(check);
    until_probed(&systemd, &[("exec-user", 1, "ok", "exit code 0")]);
    until(PATIENCE, "end of what hung", || {
        let left = systemd.run(&["pgrep", "-af", "sleep 86414"]);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

#[test]
fn without_cap_net_admin_neither_role_starts_and_each_says_why() {
    let lan = Lan::new();
    let setpriv = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    for (host, args) in [(&lan.director, &[][..]), (&lan.rs1, &["--real-server"])] {
        let mut agent = agent_under(&setpriv, host, CONFIGURATION, args);
        let ended = agent.wait(PATIENCE);
        let output = agent.output();
        assert_eq!(ended.code(), Some(1), "{args:?}: {output}");
        let last = output.lines().last().unwrap();
        assert!(last.contains("CAP_NET_ADMIN"), "{args:?}: {output}");
    }
}
