//! What the agent of a real server refuses, with a sentence and nothing done.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{Lan, Namespace, Process, Site, exchange, until};
use crate::witness::{
    BEFORE, DEADLINE, Finished, OURS, addresses, assert_sysctls, configuration, finish, has_vip,
    of_real_server, set_sysctls, start, status, wait_for_vip,
};

/// Runs an agent that must end by itself with exit code 1, and returns its
/// last words.
fn refused(site: &Site, host: &Namespace) -> String {
    last_message(site.run(host, &["--real-server"]))
}

fn last_message(mut agent: Process) -> String {
    assert_eq!(agent.wait(DEADLINE).code(), Some(1), "{}", agent.output());
    let output = agent.output();
    let last = output.lines().last().unwrap();
    last.strip_prefix("lvs-agent: ").unwrap().to_owned()
}

fn assert_nothing_done(host: &Namespace) {
    let held = addresses(host, "lo");
    assert!(
        !held.iter().any(|line| line.contains("192.168.11.200")),
        "{held:?}"
    );
    assert_sysctls(host, BEFORE);
}

#[test]
fn missing_interface_is_refused() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration("  interface: nope0"));
    assert_eq!(
        refused(&site, &lan.rs1),
        "cannot list the addresses of nope0: there is no interface `nope0`: see `ip link`, \
         and correct `interface` in the configuration"
    );
    assert_nothing_done(&lan.rs1);
}

/// The agent stays, and says once what is missing: a service manager would only
/// start it again and again.
#[test]
fn a_sysctl_that_does_not_exist_keeps_the_vip_away() {
    let lan = Lan::new();
    let site = Site::new(&configuration(
        "  sysctls:\n    net.ipv4.conf.all.arp_ignore: 1\n    net.ipv4.conf.all.nope: 1",
    ));
    let mut agent = site.run(&lan.rs1, &["--real-server"]);
    for part in [
        "cannot set net.ipv4.conf.all.nope to 1: this kernel has no such parameter; correct or \
         remove it under `sysctls`",
        "address 192.168.11.200/32 on lo is held back until every sysctl is set",
    ] {
        agent.wait_for_line(DEADLINE, |line| {
            line.contains("ERROR") && line.contains(part)
        });
    }
    until(DEADLINE, "an agent that is not ready", || {
        match readyz(&lan.rs1) {
            Ok((503, body)) if body.contains("all.nope") => Ok(()),
            other => Err(other),
        }
    });
    assert!(!has_vip(&lan.rs1));
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(DEADLINE).code(), Some(0), "{}", agent.output());
}

fn readyz(host: &Namespace) -> Result<(u16, String), String> {
    let agent = SocketAddr::from((Ipv4Addr::LOCALHOST, 9477));
    let answer = host.enter(|| exchange(agent, "GET", "/readyz", DEADLINE));
    let answer = answer.map_err(|error| error.to_string())?;
    Ok((answer.status, answer.body))
}

/// Starts the agent of a real server where `read_only` below /proc/sys is so.
fn where_it_is_read_only(site: &Site, host: &Namespace, read_only: &str) -> Process {
    let mut command = Command::new("unshare");
    let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
    command.args(["--mount", "sh", "-c", script, read_only]);
    let run = site.command("run");
    command.arg(run.get_program()).args(run.get_args());
    command.arg("--real-server");
    host.spawn(command)
}

#[test]
fn a_read_only_parameter_that_is_not_about_arp_keeps_nothing_away() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let file = "/proc/sys/net/ipv4/conf/default/rp_filter";
    let mut agent = where_it_is_read_only(&site, &lan.rs1, file);
    let cause = "cannot set net.ipv4.conf.default.rp_filter to 1: /proc/sys is read-only";
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("WARN") && line.contains(cause)
    });
    wait_for_vip(&lan.rs1);
    until(DEADLINE, "readiness with a warning", || {
        match readyz(&lan.rs1) {
            Ok((200, body)) if body.contains(cause) => Ok(()),
            other => Err(other),
        }
    });
    // By another program: the agent sees it, though it could not do it.
    set_sysctls(&lan.rs1, [("net.ipv4.conf.default.rp_filter", "1")]);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("cleared: kernel parameter not as configured")
    });
    let output_text = agent.output();
    let once = format!("reason=\"{cause}");
    assert_eq!(output_text.matches(&once).count(), 1, "{output_text}");
    let (code, body) = readyz(&lan.rs1).unwrap();
    // The host has no server, which is a condition of its own.
    let rest = "ready\nproblem service_not_ready web tcp 192.168.11.200:80: nothing listens on tcp \
                192.168.11.200:80\n";
    assert_eq!((code, &*body), (200, rest));
}

#[test]
fn read_only_parameters_keep_the_vip_away_until_somebody_sets_them() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut agent = where_it_is_read_only(&site, &lan.rs1, "/proc/sys/net");
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("ERROR")
            && (line
                .contains("cannot set net.ipv4.conf.all.arp_ignore to 1: /proc/sys is read-only")
                || line.contains("ReadWritePaths=/proc/sys/net"))
    });
    assert!(!has_vip(&lan.rs1));
    set_sysctls(&lan.rs1, OURS);
    wait_for_vip(&lan.rs1);
    until(DEADLINE, "readiness", || match readyz(&lan.rs1) {
        Ok((200, _)) => Ok(()),
        other => Err(other),
    });
    let output_text = agent.output();
    let once = "reason=\"cannot set net.ipv4.conf.all.arp_ignore";
    assert_eq!(output_text.matches(once).count(), 1, "{output_text}");
}

#[test]
fn second_agent_of_the_same_role_is_refused() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut first = start(&site, &lan.rs1);
    let other = Site::new(
        &(configuration("").replace("192.168.11.200", "192.168.11.201")
            + "http:\n  listen: 127.0.0.1:19477\n"),
    );
    assert_eq!(
        refused(&other, &lan.rs1),
        format!(
            "another lvs-agent (process {}) already runs here as real server: \
             stop it first (`systemctl stop` or `kill`)",
            first.pid()
        )
    );
    let held = addresses(&lan.rs1, "lo");
    assert!(
        !held.iter().any(|line| line.contains("192.168.11.201")),
        "{held:?}"
    );

    // The first goes on: it answers, and repairs.
    assert_eq!(status(&lan.rs1)["vips"][0]["address"], "192.168.11.200");
    lan.rs1.run("ip address del 192.168.11.200/32 dev lo");
    first.wait_for_line(DEADLINE, |line| line.contains("drift, repaired: + address"));
    wait_for_vip(&lan.rs1);

    // On another host, and in another role on this one, there is no first.
    let elsewhere = Site::new(&configuration(""));
    let _elsewhere = start(&elsewhere, &lan.rs2);
    let director = Site::new(&(configuration("") + "http:\n  listen: 127.0.0.1:19477\n"));
    let mut director = director.run(&lan.rs1, &["--table", "memory"]);
    director.wait_for_line(DEADLINE, |line| line.contains("lvs_agent::agent::director"));
}

#[test]
fn port_in_use_is_refused() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let _taken = lan
        .rs1
        .enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 9477)))
        .unwrap();
    let site = Site::new(&configuration(""));
    assert_eq!(
        refused(&site, &lan.rs1),
        "cannot listen on 127.0.0.1:9477: the port is taken by another process; \
         see `ss -ltnp`, or change http.listen"
    );
    assert_nothing_done(&lan.rs1);
    assert!(!site.state_directory().exists());
}

#[test]
fn other_user_without_cap_net_admin_is_refused() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    std::fs::set_permissions(site.directory(), PermissionsExt::from_mode(0o777)).unwrap();
    // Not from the build directory, which others may not be let into.
    let program = site.directory().join("lvs-agent");
    std::fs::copy(site.command("run").get_program(), &program).unwrap();

    for subcommand in ["run", "cleanup"] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
            .arg(&program)
            .args(site.command(subcommand).get_args())
            .arg("--real-server");
        let message = ended(&finish(&lan.rs1, command));
        assert!(
            message.contains("root") || message.contains("CAP_NET_ADMIN"),
            "{message}"
        );
        assert_nothing_done(&lan.rs1);
    }
}

#[test]
fn root_without_cap_net_admin_is_refused() {
    let lan = Lan::new();
    set_sysctls(&lan.rs1, BEFORE);
    let site = Site::new(&configuration(""));
    let mut command = Command::new("setpriv");
    let run = site.command("run");
    command
        .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"])
        .arg(run.get_program())
        .args(run.get_args())
        .arg("--real-server");
    let message = ended(&finish(&lan.rs1, command));
    assert!(message.contains("CAP_NET_ADMIN"), "{message}");
    assert!(!has_vip(&lan.rs1));

    // User 0 may write sysctls by their mode. What it had done is undone.
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_nothing_done(&lan.rs1);
}

#[test]
fn agent_that_may_not_read_its_drains_does_not_start_and_leaves_the_file() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    std::fs::set_permissions(site.directory(), PermissionsExt::from_mode(0o777)).unwrap();
    let program = site.directory().join("lvs-agent");
    std::fs::copy(site.command("run").get_program(), &program).unwrap();
    let directory = site.state_directory();
    std::fs::create_dir_all(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(65534), Some(65534)).unwrap();
    let drains = directory.join("drains-memory.json");
    std::fs::write(&drains, "{\"version\": 1}").unwrap();
    std::fs::set_permissions(&drains, PermissionsExt::from_mode(0o600)).unwrap();

    // An agent that starts would run for ever.
    let mut command = Command::new("timeout");
    command
        .args(["60", "setpriv"])
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args(["--bounding-set=-all", "--inh-caps=-all", "--"])
        .arg(&program)
        .args(site.command("run").get_args())
        .args(["--table", "memory"]);
    let message = ended(&finish(&lan.rs1, command));
    assert!(message.contains("Permission denied"), "{message}");
    assert!(message.contains("owner and mode"), "{message}");
    let names = std::fs::read_dir(&directory).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    let kept = names.iter().filter(|name| *name != "director-memory.lock");
    assert_eq!(kept.collect::<Vec<_>>(), ["drains-memory.json"]);
}

fn ended(finished: &Finished) -> String {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    finished.stderr.lines().last().unwrap().to_owned()
}
