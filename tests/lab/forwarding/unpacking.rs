//! A real server behind a tunnel on which nothing unpacks it yet: what its
//! `doctor` says makes requests get through.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{RIP, RIP6, VIP, VIP6, add_ipv6, configuration};
use crate::cluster::Cluster;
use crate::support::{PATIENCE, http_get, ipvsadm_save, nginx, until};

/// Does what `doctor --real-server` says of tunnels on rs1, until it says no
/// more; the fixes.
fn fix(cluster: &Cluster) -> Vec<String> {
    let mut fixes = Vec::new();
    until(PATIENCE, "no problem of a tunnel", || {
        let words = ["doctor", "--real-server", "--json"];
        let (_, printed) = cluster.site.finish(&cluster.lan.rs1, &words);
        let findings: Value =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        let findings = findings.as_array().unwrap().iter();
        let of_tunnels = findings.filter(|finding| finding["check"] == "tunnel");
        let found = of_tunnels.filter_map(|finding| finding["fix"].as_str());
        // Several services are told of the same.
        let found: BTreeSet<_> = found.map(str::to_owned).collect();
        for fix in &found {
            let mut shell = Command::new("sh");
            shell.args(["-c", fix]);
            let output = cluster.lan.rs1.output(shell);
            assert!(output.status.success(), "{fix}: {output:?}");
        }
        let content = found.is_empty();
        fixes.extend(found);
        if content { Ok(()) } else { Err(printed) }
    });
    fixes
}

/// Nothing gets through, and after the fixes all does.
fn fixes_carry(tunnel: &str, real_servers: [&str; 2], expected: [&str; 2]) {
    let forwarding = format!("tunnel\n    tunnel: {{ {tunnel} }}");
    let cluster = Cluster::new(&configuration("", &forwarding, real_servers));
    let (rs1, client) = (&cluster.lan.rs1, &cluster.lan.client);
    add_ipv6(&cluster.lan);
    let _page = nginx(rs1, "rs1");
    let _director = cluster.direct();
    let addresses = [VIP, VIP6].map(|vip| SocketAddr::new(vip.parse().expect("an address"), 80));
    for (address, rip) in addresses.iter().zip(real_servers) {
        let line = format!("-r {} -i -w 1", SocketAddr::new(rip.parse().unwrap(), 80));
        until(PATIENCE, &line, || {
            let table = ipvsadm_save(&cluster.lan.director);
            let mut lines = table.lines();
            let there = lines.any(|l| l.contains(&address.to_string()) && l.contains(&line));
            if there { Ok(()) } else { Err(table) }
        });
        let early = http_get(client, *address, Duration::from_secs(2));
        assert!(early.is_err(), "{address}: {early:?}");
    }
    let fixes = fix(&cluster);
    for wanted in expected {
        let found = fixes.iter().any(|fix| fix.contains(wanted));
        assert!(found, "no {wanted} in {fixes:#?}");
    }
    for address in addresses {
        let page = until(PATIENCE, &format!("page from {address}"), || {
            http_get(client, address, Duration::from_secs(10))
        });
        assert_eq!(page, "rs1");
    }
}

#[test]
fn fixes_for_ipip_carry_both_families() {
    fixes_carry(
        "type: ipip",
        [RIP, RIP6],
        ["ip link set tunl0 up", "ip link set ip6tnl0 up"],
    );
}

#[test]
fn fixes_for_ipip_carry_across_families() {
    fixes_carry(
        "type: ipip",
        [RIP6, RIP],
        [
            "ip -6 tunnel change ip6tnl0 mode any",
            "ip link set sit0 up",
        ],
    );
}

#[test]
fn fixes_for_gue_carry_across_families() {
    fixes_carry(
        "type: gue",
        [RIP6, RIP],
        ["ip -6 fou add port 6080 gue", "ip fou add port 6080 gue"],
    );
}

#[test]
fn fixes_for_gre_carry_across_families() {
    fixes_carry(
        "type: gre",
        [RIP6, RIP],
        ["ip link set ip6gre0 up", "ip link set gre0 up"],
    );
}

#[test]
fn fixes_for_gre_with_a_checksum_carry_both_families() {
    fixes_carry(
        "type: gre, checksum: sum",
        [RIP, RIP6],
        ["type gre local", "type ip6gre local"],
    );
}
