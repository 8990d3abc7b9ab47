//! One host that is the director and a real server, with the one shared file.

use nix::sys::signal::Signal;

use crate::cluster::{request, shown};
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, Web, until};

/// The director is a real server beside rs1.
const SHARED: &str = "
http: { listen: 127.0.0.1:9477 }
director: { interface: eth0, resync_interval: 1s }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    scheduler: rr
    check: { http: {}, interval: 300ms, timeout: 10s, rise: 2, fall: 2 }
    real_servers:
      - { name: own, address: 192.168.11.10 }
      - { name: rs1, address: 192.168.11.21 }
";

fn addresses(host: &Namespace) -> String {
    host.run("ip -o address show to 192.168.11.200")
}

fn wait_for_both_pages(client: &Namespace) {
    for wanted in ["director", "rs1"] {
        until(PATIENCE, wanted, || match request(client) {
            Ok(page) if page == wanted => Ok(()),
            found => Err(found.map_err(|error| error.to_string())),
        });
    }
}

fn ready(host: &Namespace, port: u16) {
    until(PATIENCE, "/readyz", || {
        let mut command = std::process::Command::new("curl");
        command.args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]);
        command.arg(format!("http://127.0.0.1:{port}/readyz"));
        let output = host.output(command);
        match String::from_utf8_lossy(&output.stdout).into_owned() {
            code if code == "200" => Ok(()),
            code => Err(code),
        }
    });
}

fn end(mut agent: Process) {
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0), "{}", agent.output());
}

#[test]
fn host_that_is_director_and_real_server_serves_and_is_cleaned_up() {
    let lan = Lan::new();
    let host = &lan.director;
    let _webs = [Web::start(host, "director"), Web::start(&lan.rs1, "rs1")];
    let other = Site::new(SHARED);
    let _rs1 = other.start(&lan.rs1, &["--real-server"]);
    let site = Site::new(SHARED);
    let director = site.start(host, &[]);

    let mut refused = site.run(host, &["--real-server"]);
    assert_eq!(refused.wait(PATIENCE).code(), Some(1));
    let refused = refused.output();
    assert!(
        refused.contains("real_server: { http: { listen: 127.0.0.1:9478 }"),
        "{refused}"
    );

    let socket = site.directory().join("real-server.sock");
    let both = format!(
        "{SHARED}real_server: {{ resync_interval: 1s, http: {{ listen: 127.0.0.1:9478 }}, \
         control: {{ socket: {} }} }}\n",
        socket.display()
    );
    site.write_configuration(&both);
    let (code, printed) = site.finish(host, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    let real_server = site.start(host, &["--real-server"]);
    wait_for_both_pages(&lan.client);
    ready(host, 9477);
    ready(host, 9478);
    let held = addresses(host);
    assert!(held.contains(" lo ") && held.contains(" eth0 "), "{held}");
    let (code, printed) = site.finish(host, &["reload", "--real-server"]);
    assert_eq!(code, 0, "{printed}");
    let (_, printed) = site.finish(host, &["status", "--real-server"]);
    assert!(!printed.contains("not ready"), "{printed}");
    assert!(shown(host, "/status").contains("\"mode\":\"director\""));

    for role in [&["doctor"][..], &["doctor", "--real-server"]] {
        let (code, printed) = site.finish(host, role);
        assert_eq!(code, 0, "{role:?}: {printed}");
        assert!(!printed.contains("ip address del"), "{role:?}: {printed}");
        assert!(printed.contains("warning  loop"), "{role:?}: {printed}");
        assert!(printed.contains("net.ipv4.vs.backup_only=1"), "{printed}");
    }

    end(real_server);
    let (code, printed) = site.finish(host, &["cleanup", "--real-server"]);
    assert_eq!(code, 0, "{printed}");
    assert!(
        printed.contains("- address 192.168.11.200/32 on lo"),
        "{printed}"
    );
    let held = addresses(host);
    assert!(!held.contains(" lo ") && held.contains(" eth0 "), "{held}");
    assert_eq!(
        host.run("sysctl -n net.ipv4.conf.all.arp_ignore").trim(),
        "0"
    );
    wait_for_both_pages(&lan.client);
    end(director);
}

#[test]
fn cleanup_of_a_director_leaves_the_address_that_is_the_hosts_own() {
    const KEY: &str = "net.ipv4.vs.expire_nodest_conn";
    let lan = Lan::new();
    let host = &lan.director;
    host.run("ip address add 192.168.11.200/24 dev eth0");
    let site = Site::new(SHARED);
    end(site.start(host, &[]));
    assert_eq!(host.run(&format!("sysctl -n {KEY}")).trim(), "1");
    let (code, printed) = site.finish(host, &["cleanup"]);
    assert_eq!(code, 0, "{printed}");
    assert!(
        printed.contains(&format!("~ sysctl {KEY}: 1 -> 0")),
        "{printed}"
    );
    assert_eq!(host.run(&format!("sysctl -n {KEY}")).trim(), "0");
    assert!(addresses(host).contains("192.168.11.200/24"));
    assert_eq!(host.run("ipvsadm -Sn").trim(), "");
}
