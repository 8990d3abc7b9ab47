//! A host that is the director of a virtual service and a real server of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::parameters::{BACKUP_ONLY, value};
use super::{Facts, Finding};
use crate::config::{Config, VirtualService};
use crate::model::{Forwarding, Role, ServiceKey};

/// What a director hands to a real server still has the VIP as its destination
/// (but for masquerading). A real server that is a director, too, balances it
/// again, maybe to the first, and so on (`ip_vs_in_hook` in
/// `net/netfilter/ipvs/ip_vs_core.c`). What is balanced by a firewall mark is
/// not looked at: who marks decides.
pub(super) fn examine(config: &Config, facts: &Facts) -> Option<Finding> {
    let own = facts.own_addresses();
    let services = config.virtual_services.iter();
    let loops = services.filter(|service| loops(service, &own, facts));
    let names: Vec<_> = loops.map(|service| &*service.name).collect();
    if names.is_empty() {
        return None;
    }
    let names = names.join(", ");
    let backup_only = value(facts, BACKUP_ONLY) == Some("1");
    if backup_only && facts.runs_sync_daemon {
        let message = format!(
            "this host is director and real server of it, and {BACKUP_ONLY} is 1: as a backup of \
             IPVS's synchronization it hands out nothing, and so sends nothing back"
        );
        return Some(Finding::ok("loop", &names, message));
    }
    if backup_only {
        // `sysctl_backup_only` in `net/netfilter/ipvs/ip_vs_core.c` asks for
        // the daemon's state as well.
        let message = format!(
            "this host is director and real server of it, and {BACKUP_ONLY} is 1, but without a \
             synchronization daemon that has no effect: where another real server of it is a \
             director as well, packets go round between them"
        );
        let fix = "if there is another such host: `ipvsadm --start-daemon backup` on the standby, \
                   `ipvsadm --start-daemon master` on the active one";
        return Some(Finding::warning("loop", &names, message, fix));
    }
    let message = "this host is director and real server of it: where another real server of it \
                   is a director as well, the standby balances again what the active one sends \
                   it, and packets go round between them";
    let fix = format!(
        "if there is another such host: on both, `sysctl -w {BACKUP_ONLY}=1` with IPVS's \
         synchronization (`ipvsadm --start-daemon backup` on the standby, `master` alone on the \
         active one); or balance by a firewall mark (`fwmark`) that is not set on packets from \
         the MAC address of the other"
    );
    Some(Finding::warning("loop", &names, message, fix))
}

/// Whether this host has it in its table, is one of its real servers, and
/// not the only one.
fn loops(service: &VirtualService, own: &BTreeSet<IpAddr>, facts: &Facts) -> bool {
    let ServiceKey::Address { address, .. } = service.key else {
        return false;
    };
    let directed = match facts.role {
        Role::Director => true,
        Role::RealServer => facts.host.directed.contains(&address.ip()),
    };
    let real_servers = || {
        let members = service.real_servers.iter().map(|one| service.member(one));
        let members = members.filter(|member| member.forwarding != Forwarding::Masquerade);
        members.map(|member| member.address())
    };
    directed
        && real_servers().any(|address| own.contains(&address))
        && real_servers().any(|address| !own.contains(&address))
}

#[cfg(test)]
mod tests;
