//! The fix for an ARP conflict.

use std::net::IpAddr;

use crate::model::{Family, LocalAddress};

/// What to do on a host that claims the VIP. IPv6 has no parameters like those of
/// ARP, and needs none: a host answers for the addresses of the interface that
/// is asked (`ndisc_recv_ns` in `net/ipv6/ndisc.c`), so the VIP is on that.
pub(crate) fn arp_conflict_fix(vip: IpAddr) -> String {
    let on_lo = LocalAddress {
        interface: "lo".to_owned(),
        address: vip,
    };
    let address = format!(
        "keep the VIP on lo alone: `ip -o address show to {vip}` shows where it is, `ip address \
         del {vip}/{} dev INTERFACE` takes it off another, `{}` puts it on lo",
        Family::from(vip).host_prefix_length(),
        on_lo.command(),
    );
    match vip {
        IpAddr::V4(_) => format!(
            "{address}; and keep it silent there: `sysctl -w net.ipv4.conf.all.arp_ignore=1 \
             net.ipv4.conf.all.arp_announce=2`, as `lvs-agent run --real-server` does"
        ),
        IpAddr::V6(_) => address,
    }
}
