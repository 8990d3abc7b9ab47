use super::*;
use crate::doctor::fixture::{VIP, address, config, facts, held, lines};
use crate::model::Role;

#[test]
fn asks_the_neighbours_of_the_link_that_are_no_real_servers() {
    let mac = MacAddress([2, 0, 0, 0, 0, 1]);
    let known = ["192.168.11.1", "192.168.11.21", "10.0.0.1", "fe80::1"];
    let known = known.map(|known| (address(known), mac)).into();
    let addresses = vec![held("eth0", "192.168.11.10", 24), held("eth0", VIP, 32)];
    let router = (address(VIP), address("192.168.11.1"));
    assert_eq!(pairs(&config(), &addresses, &known), [router]);
    assert_eq!(pairs(&config(), &addresses[..1], &known), [], "no VIP here");
}

#[test]
fn names_a_neighbour_that_looks_for_the_vip_elsewhere() {
    let mut facts = facts(Role::Director);
    facts.stale_neighbours = [(address(VIP), address("192.168.11.1"))].into();
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [
            "warning stale_neighbour 192.168.11.200 on eth0: 192.168.11.1 answers to this host's \
             own address and not to the VIP: it likely has another MAC address for the VIP, of a \
             director before | the agent announces the VIP when it starts: systemctl restart \
             lvs-agent-director; or there: ip neigh del 192.168.11.200 dev INTERFACE"
        ]
    );
}
