//! A real server that takes a client away from the director, and what
//! `on_arp_conflict: quiesce` does for that client.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::cluster::{metric, request};
use crate::support::{Lan, Namespace, PATIENCE, Site, Web, ipvsadm_save, until};

/// The second service is one that rs1 does not serve: a client that is with
/// rs1 for the VIP is refused there. The agent does not own the VIP, so it announces
/// nothing that would bring a client back that rs1 has just taken away.
const CONFIGURATION: &str = "
director: { link: eth0, resync_interval: 1s, on_arp_conflict: quiesce }
virtual_services:
  - name: web
    address: 192.168.11.200:80
    scheduler: rr
    check: { http: {}, interval: 300ms, timeout: 20s, rise: 1, fall: 3 }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: other
    address: 192.168.11.200:8080
    scheduler: rr
    check: { tcp: {}, interval: 300ms, timeout: 20s, rise: 1, fall: 3 }
    real_servers:
      - { name: rs2, address: 192.168.11.22 }
";

/// Says its name to whoever connects; ends with the process.
fn serve_other(host: &Namespace) {
    let listener = host.enter(|| TcpListener::bind("0.0.0.0:8080")).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A probe may be gone already.
            let _ = stream.write_all(b"other");
        }
    });
}

fn request_other(client: &Namespace) -> io::Result<String> {
    let vip = SocketAddr::from(([192, 168, 11, 200], 8080));
    let mut stream = client.enter(|| TcpStream::connect_timeout(&vip, PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

fn wait_for_table(director: &Namespace, weights: [u32; 2]) {
    let [rs1, rs2] = weights;
    let wanted = format!(
        "-A -t 192.168.11.200:80 -s rr\n\
         -A -t 192.168.11.200:8080 -s rr\n\
         -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w {rs1}\n\
         -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w {rs2}\n\
         -a -t 192.168.11.200:8080 -r 192.168.11.22:8080 -g -w 1\n"
    );
    until(PATIENCE, &wanted, || {
        let table = ipvsadm_save(director);
        if table == wanted { Ok(()) } else { Err(table) }
    });
}

/// rs1 has lost `arp_announce` alone: as it answers its first client, it asks
/// for it in the VIP's name, and the client's cache says rs1 from then on.
#[test]
fn quiesced_real_server_in_arp_conflict_gets_no_clients_and_requests_succeed() {
    let lan = Lan::new();
    for (host, announce) in [(&lan.rs1, 0), (&lan.rs2, 2)] {
        host.run(&format!(
            "sysctl -q -w net.ipv4.conf.all.arp_ignore=1 \
             net.ipv4.conf.all.arp_announce={announce}"
        ));
        host.run("ip address add 192.168.11.200/32 dev lo");
    }
    let _webs = [Web::start(&lan.rs1, "rs1"), Web::start(&lan.rs2, "rs2")];
    serve_other(&lan.rs2);
    lan.director
        .run("ip address add 192.168.11.200/32 dev eth0");
    let site = Site::new(CONFIGURATION);
    let mut agent = site.start(&lan.director, &[]);
    wait_for_table(&lan.director, [1, 1]);
    assert_eq!(request_other(&lan.client).unwrap(), "other");

    // Of two requests, one goes to rs1.
    for _ in 0..2 {
        request(&lan.client).unwrap();
    }
    let cache = lan.client.run("ip neighbour show 192.168.11.200");
    let link = lan.rs1.run("ip -brief link show dev eth0");
    let conflicting = link.split_whitespace().nth(2).unwrap();
    assert!(cache.contains(conflicting), "{cache} is not {conflicting}");
    let refused = request_other(&lan.client).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

    wait_for_table(&lan.director, [0, 1]);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("a real server answers for the VIP")
            && line.contains(conflicting)
            && line.contains("rs1 (192.168.11.21)")
    });
    let conflicts = metric(&lan.director, "lvs_arp_conflicts{vip=\"192.168.11.200\"}");
    assert!(conflicts > 0.5, "{conflicts}");

    // The client's kernel asks rs1 for the VIP, has no answer, and asks all.
    until(PATIENCE, "an answer of the other service", || {
        request_other(&lan.client).map_err(|error| error.to_string())
    });
    for _ in 0..20 {
        assert_eq!(request(&lan.client).unwrap(), "rs2");
        assert_eq!(request_other(&lan.client).unwrap(), "other");
    }
    wait_for_table(&lan.director, [0, 1]);
}
