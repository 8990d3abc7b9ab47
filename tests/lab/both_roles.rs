//! One host that is the director and a real server, with the one shared file.

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::{request, shown};
use crate::support::{Lan, Namespace, PATIENCE, Process, Site, Web, http_get, ipvsadm_save, until};

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

/// Both hosts are directors and real servers of each other, as a pair with a
/// synchronized table is: what one hands to the other, that one's IPVS may hand
/// back, and so on until the packet's time to live is over.
#[test]
fn packets_between_two_such_hosts_go_in_a_loop_until_backup_only_is_set() {
    let lan = Lan::new();
    let (first, second) = (&lan.director, &lan.rs1);
    let _webs = [Web::start(first, "director"), Web::start(second, "rs1")];
    let sites = [first, second].map(|host| {
        let site = Site::new("");
        let own_real_server = site.directory().join("real-server.sock");
        // The VIP is the first host's alone, as VRRP would have it.
        let interface = if std::ptr::eq(host, first) {
            "interface: eth0, "
        } else {
            ""
        };
        let text = SHARED.replace("interface: eth0, ", interface);
        site.write_configuration(&format!(
            "{text}real_server: {{ resync_interval: 1s, http: {{ listen: 127.0.0.1:9478 }}, \
             control: {{ socket: {} }} }}\n",
            own_real_server.display()
        ));
        site
    });
    let _agents: Vec<_> = [first, second]
        .into_iter()
        .zip(&sites)
        .flat_map(|(host, site)| [site.start(host, &["--real-server"]), site.start(host, &[])])
        .collect();
    for host in [first, second] {
        for real_server in ["192.168.11.10", "192.168.11.21"] {
            let row = format!("-r {real_server}:80 -g -w 1");
            until(PATIENCE, &row, || {
                let table = ipvsadm_save(host);
                table.contains(&row).then_some(()).ok_or(table)
            });
        }
    }
    let vip = SocketAddr::from(([192, 168, 11, 200], 80));
    let refused = |requests: usize| {
        (0..requests)
            .filter(|_| http_get(&lan.client, vip, Duration::from_secs(2)).is_err())
            .count()
    };
    let received = || {
        // `proc_pid_net(5)`: bytes, then packets, that were received.
        let statistics = second.run("grep eth0: /proc/net/dev");
        let mut words = statistics.split_whitespace().skip(2);
        let packets = words.next().expect("the packets");
        packets.parse::<u64>().expect("a number")
    };
    let before = received();
    let lost = refused(8);
    let looped = received() - before;
    eprintln!("{lost} of 8 requests lost, {looped} packets came to the second host");
    assert!(lost > 0, "no loop was made: the test shows nothing");

    for (host, site) in [first, second].into_iter().zip(&sites) {
        let (_, printed) = site.finish(host, &["doctor"]);
        assert!(printed.contains("warning  loop"), "{printed}");
        assert!(printed.contains("net.ipv4.vs.backup_only=1"), "{printed}");
    }

    // What doctor says, on the host that has not the VIP. The sysctl alone has
    // no effect.
    second.run("sysctl -q -w net.ipv4.vs.backup_only=1");
    let (_, printed) = sites[1].finish(second, &["doctor"]);
    assert!(printed.contains("no effect"), "{printed}");
    assert!(refused(8) > 0);
    second.run("ipvsadm --start-daemon backup --mcast-interface eth0");
    assert_eq!(refused(20), 0);
    let (_, printed) = sites[1].finish(second, &["doctor"]);
    assert!(!printed.contains("warning  loop"), "{printed}");
    second.run("ipvsadm --stop-daemon backup");
}
