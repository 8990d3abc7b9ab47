//! The systemd units of `deploy/`, under a real systemd: the sandbox that they
//! ask for leaves the agent all that it needs, and no capability too many.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::checks::{seen, service};
use crate::cluster::{Ending, request};
use crate::support::{Lan, Namespace, PROGRAM, Process, agent_under, ipvsadm_save, nginx, until};

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

/// For what takes a second or two on a machine that is not emulated.
const SOON: Duration = Duration::from_mins(3);

/// Becomes the systemd of a machine of which it sees as much as the unit does.
/// What it writes is in its own tmpfs, and it starts nothing but the unit.
/// Arguments: the unit's file, the program, the configuration.
const BOOT: &str = r#"
    set -e
    unit=$(basename "$1")
    for path in "$1" "$2" "$3"; do
        test -r "$path"
    done
    exec 3<"$1" 4<"$3"
    mount -t tmpfs tmpfs /usr/local/bin
    touch /usr/local/bin/lvs-agent
    mount --bind "$2" /usr/local/bin/lvs-agent
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    for path in /run /tmp /var/lib /var/log /var/tmp; do
        mount -t tmpfs tmpfs "$path"
    done
    cat <&4 >/run/config.yaml
    mkdir -p "/run/systemd/system/$unit.d"
    cat <&3 >"/run/systemd/system/$unit"
    exec 3<&- 4<&-
    ln -s /dev/null /run/systemd/system/network-online.target
    printf '%s\n' '[Unit]' DefaultDependencies=no '[Service]' \
        Environment=LVS_AGENT_CONFIG=/run/config.yaml \
        StandardOutput=file:/run/log StandardError=inherit \
        >"/run/systemd/system/$unit.d/test.conf"
    export container=lab
    exec /lib/systemd/systemd --system --log-target=console --unit="$unit"
"#;

/// A systemd that runs one unit of `deploy/` in a network namespace.
struct Systemd<'a> {
    namespace: &'a Namespace,
    process: Process,
    unit: &'static str,
}

fn unit_file(unit: &str) -> String {
    format!("{}/deploy/{unit}", env!("CARGO_MANIFEST_DIR"))
}

impl<'a> Systemd<'a> {
    fn start(namespace: &'a Namespace, unit: &'static str, configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("unshare");
        // When this process is killed, so is systemd, and with it all of its own.
        command
            .args(["--pid", "--fork", "--kill-child", "--mount", "--cgroup"])
            .args(["bash", "-c", BOOT, "boot", &unit_file(unit), PROGRAM])
            .arg(&file);
        Self {
            namespace,
            process: namespace.spawn_with(command, directory),
            unit,
        }
    }

    /// Runs a command in systemd's machine; what it says, whatever its end.
    fn run(&self, command: &[&str]) -> String {
        let pid = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let Ok(children) = children else {
            return format!("systemd has ended:\n{}", self.process.output());
        };
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args(["--target", children.trim(), "--mount", "--pid", "--"])
            .args(command);
        let output = self.namespace.output(nsenter);
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    fn property(&self, property: &str) -> String {
        self.run(&[
            "systemctl",
            "show",
            "--value",
            "--property",
            property,
            self.unit,
        ])
    }

    fn log(&self) -> String {
        let log = self.run(&["cat", "/run/log"]);
        format!("{log}\n{}", self.process.output())
    }

    fn until_state(&self, wanted: &str) {
        until(SOON, &format!("state {wanted} of {}", self.unit), || {
            let state = self.property("ActiveState");
            (state == wanted)
                .then_some(())
                .ok_or_else(|| format!("{state}\n{}", self.log()))
        });
    }

    /// Its process id, as this machine numbers it.
    fn agent(&self) -> String {
        self.property("MainPID")
    }

    /// Waits until the result of each of these services' probes is so, with
    /// this in its detail.
    fn until_probed(&self, expected: &[(&str, u32, &str, &str)]) {
        until(SOON, &format!("{expected:?}"), || {
            let seen = seen(self.namespace);
            let right = expected.iter().all(|(service, weight, result, detail)| {
                let seen = &seen[*service];
                seen.weight == *weight && seen.result == *result && seen.detail.contains(detail)
            });
            if right { Ok(()) } else { Err(seen) }
        });
    }

    /// The sandbox is on, and these capabilities are all that there are.
    fn assert_confined(&self, capabilities: &str) {
        let status = self.run(&["cat", &format!("/proc/{}/status", self.agent())]);
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(str::trim)
        };
        for key in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(value(key), Some(capabilities), "{status}");
        }
        assert_eq!(value("NoNewPrivs:"), Some("1"), "{status}");
        assert_eq!(value("Seccomp:"), Some("2"), "{status}");
    }
}

#[test]
fn the_directors_unit_runs_it_restarts_it_and_spares_a_broken_configuration() {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    let systemd = Systemd::start(&lan.director, "lvs-agent-director.service", CONFIGURATION);

    systemd.until_state("active");
    systemd.assert_confined(NET_ADMIN_AND_RAW);
    let wanted = "-A -t 192.168.11.200:80 -s wlc\n\
                  -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1\n\
                  -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 1\n";
    until(SOON, "full table", || {
        let table = ipvsadm_save(&lan.director);
        (table == wanted)
            .then_some(())
            .ok_or_else(|| (table, systemd.log()))
    });
    let vip = lan.director.run("ip -o address show label eth0:0");
    assert!(vip.contains("192.168.11.200/32"), "{vip}");

    let log = systemd.log();
    assert!(!log.contains("no ARP audit"), "{log}");

    let killed = systemd.agent();
    systemd.run(&["systemctl", "kill", "--signal=KILL", systemd.unit]);
    until(SOON, "restart of the killed agent", || {
        let (now, state) = (systemd.agent(), systemd.property("ActiveState"));
        (now != killed && now != "0" && state == "active")
            .then_some(())
            .ok_or_else(|| (now, state, systemd.log()))
    });
    assert_eq!(ipvsadm_save(&lan.director), wanted);

    systemd.run(&["sh", "-c", "echo mistake: 1 >>/run/config.yaml"]);
    systemd.run(&["systemctl", "restart", systemd.unit]);
    systemd.until_state("failed");
    assert_eq!(systemd.property("ExecMainStatus"), "2", "{}", systemd.log());
    assert_eq!(ipvsadm_save(&lan.director), wanted);
}

/// A reload makes the agent write its state file, and reconcile is then stuck for
/// good in opening what is in that file's place: a FIFO without another end.
#[test]
fn systemd_restarts_an_agent_whose_loop_is_stuck_and_traffic_does_not_notice() {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    for real_server in [&lan.rs1, &lan.rs2] {
        real_server
            .run("sysctl -q -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
        real_server.run("ip address add 192.168.11.200/32 dev lo");
    }
    let quick = CONFIGURATION.replace("director:\n", "director:\n  resync_interval: 1s\n");
    let systemd = Systemd::start(&lan.director, "lvs-agent-director.service", &quick);
    systemd.until_state("active");
    let wanted = "-A -t 192.168.11.200:80 -s wlc\n\
                  -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1\n\
                  -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 1\n";
    until(SOON, "full table", || {
        let table = ipvsadm_save(&lan.director);
        (table == wanted)
            .then_some(())
            .ok_or_else(|| (table, systemd.log()))
    });

    let over = AtomicBool::new(false);
    let requests = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut requests = 0;
            while !over.load(Ordering::SeqCst) {
                request(&lan.client).expect("an answer");
                requests += 1;
            }
            requests
        });
        let end = Ending(&over);
        let stuck = systemd.agent();
        let state = "/var/lib/lvs-agent/director.json";
        systemd.run(&["cp", "-a", state, "/run/kept"]);
        systemd.run(&["mkfifo", "/var/lib/lvs-agent/fifo"]);
        systemd.run(&["mv", "/var/lib/lvs-agent/fifo", state]);
        let more = "  - name: more\n    address: 192.168.11.201:80\n    \
                    real_servers: [{ name: rs1, address: 192.168.11.21 }]\n";
        systemd.run(&["sh", "-c", &format!("printf '{more}' >>/run/config.yaml")]);
        systemd.run(&["systemctl", "kill", "--signal=HUP", systemd.unit]);
        until(SOON, "stuck loop", || {
            let log = systemd.log();
            log.contains("the reconcile loop has not turned for")
                .then_some(())
                .ok_or(log)
        });
        assert_eq!(systemd.agent(), stuck);
        // The next agent reads its file; the stuck one has the FIFO open.
        systemd.run(&["mv", "/run/kept", state]);
        until(SOON, "restart by systemd's watchdog", || {
            let (restarts, now) = (systemd.property("NRestarts"), systemd.agent());
            let running = now != stuck && now != "0" && systemd.property("ActiveState") == "active";
            (restarts == "1" && running)
                .then_some(())
                .ok_or_else(|| (restarts, now, systemd.log()))
        });
        until(SOON, "new service, by the new agent", || {
            let table = ipvsadm_save(&lan.director);
            let more = "-a -t 192.168.11.201:80 -r 192.168.11.21:80 -g";
            let as_before = wanted.lines().all(|line| table.contains(line));
            assert!(as_before, "{table}");
            table.contains(more).then_some(()).ok_or(table)
        });
        drop(end);
        client.join().expect("no failed request")
    });
    assert!(requests >= 20, "{requests} requests");
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
            "exec: { command: [/bin/true], user: root }",
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
    systemd.until_probed(&[
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
    ]);

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
    let install = r#"printf '%s' "$1" >"/run/systemd/system/$2.d/exec-user.conf""#;
    systemd.run(&["sh", "-c", install, "sh", &drop_in.unwrap(), systemd.unit]);
    systemd.run(&["systemctl", "daemon-reload"]);
    systemd.run(&["systemctl", "restart", systemd.unit]);
    systemd.until_state("active");
    systemd.assert_confined(WITH_USERS);
    systemd.until_probed(&[("exec-user", 1, "ok", "exit code 0")]);

    write("sleep 86414 & exec sleep 86414");
    systemd.until_probed(&[("exec-user", 0, "timeout", "timed out after 5s")]);
    write(check);
    systemd.until_probed(&[("exec-user", 1, "ok", "exit code 0")]);
    until(SOON, "end of what hung", || {
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
        let ended = agent.wait(SOON);
        let output = agent.output();
        assert_eq!(ended.code(), Some(1), "{args:?}: {output}");
        let last = output.lines().last().unwrap();
        assert!(last.contains("CAP_NET_ADMIN"), "{args:?}: {output}");
    }
}
