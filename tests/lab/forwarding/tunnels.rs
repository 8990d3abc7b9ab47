//! Tunnels of the kinds `gue` and `gre`: the real server unpacks them, and its
//! packet filter tells what came over the wire.

use super::{Echo, RIP, RIP6, VIP, VIP6, add_ipv6, add_tunnel, carries, configuration};
use crate::cluster::Cluster;
use crate::support::{Namespace, nginx};

/// Counts packets on arrival, before anything is unpacked: `seen` those that
/// match `tunnel`, and `fit` those of them that match `flags`, too.
fn count_arrivals(host: &Namespace, tunnel: &str, flags: &str) {
    host.run("nft add table inet wire");
    host.run("nft add counter inet wire seen");
    host.run("nft add counter inet wire fit");
    host.run("nft add chain inet wire in { type filter hook prerouting priority -400 ; }");
    host.run(&format!(
        "nft add rule inet wire in {tunnel} counter name seen"
    ));
    host.run(&format!(
        "nft add rule inet wire in {tunnel} {flags} counter name fit"
    ));
}

fn arrivals(host: &Namespace, counter: &str) -> u64 {
    let shown = host.run(&format!("nft list counter inet wire {counter}"));
    let mut words = shown.split_whitespace();
    words.find(|word| *word == "packets").expect("a count");
    words
        .next()
        .and_then(|count| count.parse().ok())
        .expect("a number")
}

/// With rs1 as the only real server, set up to unpack by `unpack`.
fn tunnels_carry(
    tunnel: &str,
    witness: &str,
    unpack: impl FnOnce(&Namespace),
    (matching, flags): (&str, &str),
) {
    let forwarding = format!("tunnel\n    tunnel: {{ {tunnel} }}");
    let cluster = Cluster::new(&configuration("", &forwarding, [RIP, RIP6]));
    add_ipv6(&cluster.lan);
    let rs1 = &cluster.lan.rs1;
    unpack(rs1);
    count_arrivals(rs1, matching, flags);
    let _page = nginx(rs1, "rs1");
    let _director = cluster.direct();
    let _echo = Echo::start(rs1, [VIP, VIP6]);
    carries(&cluster.lan, &format!("-i -w 1 {witness}"), [RIP, RIP6]);
    let (seen, fit) = (arrivals(rs1, "seen"), arrivals(rs1, "fit"));
    // A request and a datagram to each of the two VIPs, at the least.
    assert!(seen >= 8, "{seen} packets through the tunnel");
    assert_eq!(seen, fit, "all of them {flags}");
}

/// IP in UDP at this port, for both families.
fn unpack_gue(rs1: &Namespace, port: u16) {
    // Nothing loads these two on demand.
    rs1.run("modprobe -a fou fou6");
    rs1.run(&format!("ip fou add port {port} gue"));
    rs1.run(&format!("ip -6 fou add port {port} gue"));
    add_tunnel(rs1, "ipip local 192.168.11.21 remote any");
    rs1.run("ip link add unpack6 type ip6tnl mode any local 2001:db8::21 remote any");
    rs1.run("ip link set unpack6 up");
}

fn unpack_gre(rs1: &Namespace, flags: &str) {
    add_tunnel(rs1, &format!("gre local 192.168.11.21 remote any {flags}"));
    rs1.run(&format!(
        "ip link add unpack6 type ip6gre local 2001:db8::21 remote any {flags}"
    ));
    rs1.run("ip link set unpack6 up");
}

#[test]
fn gue_tunnels_carry_both_families() {
    tunnels_carry(
        "type: gue",
        "--tun-type gue --tun-port 6080 --tun-nocsum",
        |rs1| unpack_gue(rs1, 6080),
        ("udp dport 6080", "udp checksum 0"),
    );
}

#[test]
fn gue_tunnels_with_a_checksum_and_a_port_of_their_own() {
    tunnels_carry(
        "type: gue, port: 7080, checksum: sum",
        "--tun-type gue --tun-port 7080 --tun-csum",
        |rs1| unpack_gue(rs1, 7080),
        ("udp dport 7080", "udp checksum != 0"),
    );
}

/// The flag of private data (`GUE_FLAG_PRIV`, `net/gue.h`), which announces
/// remote checksum offload, is in the GUE header after the 8 bytes of UDP's.
#[test]
fn gue_tunnels_with_remote_checksum_offload() {
    tunnels_carry(
        "type: gue, checksum: remote",
        "--tun-type gue --tun-port 6080 --tun-remcsum",
        |rs1| unpack_gue(rs1, 6080),
        ("udp dport 6080", "@th,80,16 & 1 == 1"),
    );
}

/// A GRE device takes what has a checksum if it is made for that (`icsum`), and
/// else what has none (`ip_tunnel_rcv` of the kernel), so that it is the witness.
#[test]
fn gre_tunnels_carry_both_families() {
    tunnels_carry(
        "type: gre",
        "--tun-type gre --tun-nocsum",
        |rs1| unpack_gre(rs1, ""),
        ("meta l4proto gre", ""),
    );
}

#[test]
fn gre_tunnels_with_a_checksum() {
    tunnels_carry(
        "type: gre, checksum: sum",
        "--tun-type gre --tun-csum",
        |rs1| unpack_gre(rs1, "icsum"),
        ("meta l4proto gre", ""),
    );
}
