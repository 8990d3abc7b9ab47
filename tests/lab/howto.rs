//! The how-to by hand, with its own commands: what the agent is compared with.

use crate::support::{Lan, PATIENCE, http_get, ipvsadm_save, nginx, until};

/// Sets the LAN up as the how-to does and returns the director's table.
pub(crate) fn configure(lan: &Lan) -> String {
    lan.director
        .run("ip address add 192.168.11.200/32 dev eth0 label eth0:0");
    lan.director.run("ipvsadm -C");
    lan.director.run("ipvsadm -A -t 192.168.11.200:80 -s wlc");
    lan.director
        .run("ipvsadm -a -t 192.168.11.200:80 -r 192.168.11.21 -g");
    lan.director
        .run("ipvsadm -a -t 192.168.11.200:80 -r 192.168.11.22 -g");
    for real_server in [&lan.rs1, &lan.rs2] {
        real_server.run(
            "sysctl -q -w net.ipv4.conf.lo.arp_ignore=1 net.ipv4.conf.lo.arp_announce=2 \
             net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
             net.ipv4.conf.default.rp_filter=1",
        );
        real_server.run("ip address add 192.168.11.200/32 dev lo label lo:0");
    }
    ipvsadm_save(&lan.director)
}

#[test]
fn the_client_is_answered_by_the_real_servers_in_turn() {
    let lan = Lan::new();
    let _pages = [
        nginx(&lan.director, "director"),
        nginx(&lan.rs1, "rs1"),
        nginx(&lan.rs2, "rs2"),
    ];

    let table = configure(&lan);
    assert_eq!(
        table,
        "-A -t 192.168.11.200:80 -s wlc\n\
         -a -t 192.168.11.200:80 -r 192.168.11.21:80 -g -w 1\n\
         -a -t 192.168.11.200:80 -r 192.168.11.22:80 -g -w 1\n"
    );

    let vip = "192.168.11.200:80".parse().unwrap();
    let answers: Vec<String> = (0..6)
        .map(|_| {
            let answer = http_get(&lan.client, vip, PATIENCE).unwrap();
            // An active connection counts 256 times an inactive one with wlc.
            until(PATIENCE, "end of the connection", || {
                let listed = lan.director.run("ipvsadm -Ln");
                let active = |line: &str| {
                    let (route, columns) = line.split_once(" Route ")?;
                    route.trim_start().strip_prefix("->")?;
                    columns.split_whitespace().nth(1).map(str::to_owned)
                };
                if listed.lines().filter_map(active).eq(["0", "0"]) {
                    Ok(())
                } else {
                    Err(listed)
                }
            });
            answer
        })
        .collect();
    let in_turn = [["rs1", "rs2"].repeat(3), ["rs2", "rs1"].repeat(3)];
    assert!(in_turn.iter().any(|turn| *turn == answers), "{answers:?}");
}
