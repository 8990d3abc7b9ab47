//! What the kernel or the machine lacks: a clear sentence, the right exit
//! code, nothing lost.

use std::net::SocketAddr;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, QUICK, VIP};
use crate::support::{Lan, PATIENCE, Process, Site, Web, exchange, ipvsadm_save, until};

#[test]
fn a_scheduler_that_the_kernel_lacks_stops_that_service_alone() {
    let cluster = Cluster::new(QUICK);
    let _web = Web::start(&cluster.lan.rs1, "rs1");
    let second = QUICK.replace(
        "virtual_services:",
        "virtual_services:
  - name: other
    address: 192.168.11.201:80
    scheduler: nosuch
    real_servers: [{ name: rs1, address: 192.168.11.21 }]",
    );
    cluster.site.write_configuration(&second);
    let mut agent = cluster.direct();
    let line = agent.wait_for_line(PATIENCE, |line| {
        line.contains("nosuch") && line.contains("ERROR")
    });
    assert!(
        line.contains("cannot add virtual service tcp 192.168.11.201:80"),
        "{line}"
    );
    assert!(line.contains("run `modprobe ip_vs_nosuch`"), "{line}");
    cluster.wait_for_weight("192.168.11.21", 1);
    let addresses = cluster.lan.director.run("ip -o address");
    assert!(
        !addresses.contains("192.168.11.201"),
        "its VIP would be the director's own to answer"
    );
    let readyz = cluster
        .lan
        .director
        .run("curl -s http://127.0.0.1:9477/readyz");
    assert!(readyz.contains("nosuch"), "{readyz}");
}

/// A director where /proc/sys is read-only, as in most containers.
fn where_it_is_read_only(cluster: &Cluster) -> Process {
    let mut command = Command::new("unshare");
    let script = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#;
    command.args(["--mount", "sh", "-c", script, "/proc/sys"]);
    let run = cluster.site.command("run");
    command.arg(run.get_program()).args(run.get_args());
    cluster.lan.director.spawn(command)
}

fn wait_for_readyz(cluster: &Cluster, status: u16, parts: &[&str]) {
    let agent = SocketAddr::from(([127, 0, 0, 1], 9477));
    let director = &cluster.lan.director;
    until(PATIENCE, "readiness as it should be", || {
        let answer = director.enter(|| exchange(agent, "GET", "/readyz", PATIENCE));
        let answer = answer.map_err(|error| error.to_string())?;
        let has_all = parts.iter().all(|part| answer.body.contains(part));
        if answer.status == status && has_all {
            Ok(())
        } else {
            Err(format!("{}: {}", answer.status, answer.body))
        }
    });
}

#[test]
fn read_only_parameters_matter_as_far_as_traffic_depends_on_them() {
    let cluster = Cluster::new(QUICK);
    let _webs = [
        Web::start(&cluster.lan.rs1, "rs1"),
        Web::start(&cluster.lan.rs2, "rs2"),
    ];
    let agent = where_it_is_read_only(&cluster);
    let cause = |key: &str| format!("cannot set net.ipv4.vs.{key} to 1: /proc/sys is read-only");
    let nodest = cause("expire_nodest_conn");
    let quiescent = cause("expire_quiescent_template");
    wait_for_readyz(&cluster, 200, &["ready\n", &nodest, &quiescent]);
    cluster.wait_for_weight("192.168.11.21", 1);
    assert!(["rs1", "rs2"].contains(&&*cluster.request().unwrap()));
    let values = "sysctl -n net.ipv4.vs.expire_nodest_conn net.ipv4.vs.expire_quiescent_template";
    assert_eq!(cluster.lan.director.run(values), "0\n0\n");

    let persistent = QUICK.replace("    check:", "    persistence: { timeout: 5m }\n    check:");
    cluster.site.write_configuration(&persistent);
    agent.signal(Signal::SIGHUP);
    wait_for_readyz(&cluster, 503, &["the last reconcile failed: ", &quiescent]);
    let set = "sysctl -q -w net.ipv4.vs.expire_quiescent_template=1";
    cluster.lan.director.run(set);
    wait_for_readyz(&cluster, 200, &["ready\n", &nodest]);
    let output_text = agent.output();
    let warned = format!("reason=\"{nodest}");
    assert_eq!(output_text.matches(&warned).count(), 1, "{output_text}");
}

#[test]
fn a_reload_with_a_scheduler_that_the_kernel_lacks_says_what_happened() {
    let cluster = Cluster::new(QUICK);
    let _web = Web::start(&cluster.lan.rs1, "rs1");
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let director = &cluster.lan.director;
    let second = QUICK.replace(
        "virtual_services:",
        "virtual_services:
  - name: other
    address: 192.168.11.201:80
    scheduler: wlcc
    real_servers: [{ name: rs1, address: 192.168.11.21 }]",
    );
    cluster.site.write_configuration(&second);
    let (_, printed) = cluster.site.finish(director, &["check-config"]);
    assert!(printed.contains("did you mean `wlc`?"), "{printed}");
    let (_, printed) = cluster.site.finish(director, &["plan"]);
    let note = "# this kernel has no module ip_vs_wlcc";
    assert!(printed.contains(note), "{printed}");
    let (code, printed) = cluster.site.finish(director, &["reload"]);
    assert_eq!(code, 1, "{printed}");
    let happened = "the new configuration is in force, but the kernel could not be brought in line";
    assert!(printed.contains(happened), "{printed}");
    agent.wait_for_line(PATIENCE, |line| line.contains("reloaded with an error: "));
    assert!(
        !agent.output().contains("is not reloaded"),
        "{}",
        agent.output()
    );
}

#[test]
fn scheduler_that_refuses_clients_of_a_failed_real_server_is_reported() {
    let address = format!("address: {VIP}");
    let hashed = QUICK.replace(&address, &format!("{address}\n    scheduler: sh"));
    let cluster = Cluster::new(&hashed);
    let _web = Web::start(&cluster.lan.rs1, "rs1");
    let mut agent = cluster.direct();
    cluster.wait_for_weight("192.168.11.21", 1);
    let second = Web::start(&cluster.lan.rs2, "rs2");
    cluster.wait_for_weight("192.168.11.22", 1);
    drop(second);
    cluster.wait_for_weight("192.168.11.22", 0);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("WARN") && line.contains("the scheduler refuses the clients")
    });
    let director = &cluster.lan.director;
    let table = ipvsadm_save(director);
    assert!(table.contains(&format!("-A -t {VIP} -s sh\n")), "{table}");
    let (_, printed) = cluster.site.finish(director, &["status"]);
    let expected = "the scheduler sh refuses the clients of rs2, until it has weight again";
    assert!(printed.contains(expected), "{printed}");
    let (_, printed) = cluster.site.finish(director, &["doctor"]);
    assert!(
        printed.contains("the scheduler refuses the clients of rs2"),
        "{printed}"
    );
}

#[test]
fn nothing_changes_without_cap_net_admin() {
    let lan = Lan::new();
    let site = Site::new(QUICK);
    lan.director.run(&format!("ipvsadm -A -t {VIP} -s rr"));
    let before = ipvsadm_save(&lan.director);
    for subcommand in ["run", "plan"] {
        let agent = site.command(subcommand);
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
        command.arg(agent.get_program()).args(agent.get_args());
        let output = lan.director.output(command);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{subcommand}: {printed}");
        assert!(printed.contains("CAP_NET_ADMIN"), "{subcommand}: {printed}");
    }
    assert_eq!(ipvsadm_save(&lan.director), before);
}

#[test]
fn an_interface_that_is_not_there_is_named_and_nothing_is_touched() {
    let lan = Lan::new();
    let site = Site::new(&QUICK.replace("interface: eth0", "interface: eth7"));
    let (code, printed) = site.finish(&lan.director, &["run"]);
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains("there is no interface `eth7`"),
        "{printed}"
    );
    assert_eq!(ipvsadm_save(&lan.director), "");
}

#[test]
fn a_second_director_is_refused_and_the_first_goes_on() {
    let cluster = Cluster::new(QUICK);
    let _web = Web::start(&cluster.lan.rs1, "rs1");
    let agent = cluster.direct();
    let other = Site::new(&QUICK.replace("9477", "9478"));
    let (code, printed) = other.finish(&cluster.lan.director, &["run"]);
    assert_eq!(code, 1, "{printed}");
    let sentence = format!(
        "another lvs-agent (process {}) already runs here",
        agent.pid()
    );
    assert!(printed.contains(&sentence), "{printed}");
    cluster.wait_for_weight("192.168.11.21", 1);
}
