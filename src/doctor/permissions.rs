//! Checks the capabilities of the agent.

use super::{Facts, Finding};
use crate::config::{CheckKind, Config};
use crate::model::Role;

/// What this process may do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Permissions {
    /// `CapEff` of `/proc/self/status`: a bit for each [`Capability`].
    pub(super) effective: u64,
    /// Whether its group may send pings without `CAP_NET_RAW`
    /// (`net.ipv4.ping_group_range` of icmp(7)).
    pub(super) ping_group: bool,
}

/// Bits by their numbers in `linux/capability.h`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Capability {
    Setgid = 6,
    Setuid = 7,
    NetAdmin = 12,
    NetRaw = 13,
}

impl Permissions {
    /// Whether this process may ask on the link who has an address.
    pub(super) const fn may_ask(self) -> bool {
        self.has(Capability::NetRaw)
    }

    const fn has(self, capability: Capability) -> bool {
        self.effective & (1 << capability as u32) != 0
    }
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let check = "permission";
    let may = facts.permissions;
    let mut findings = vec![if may.has(Capability::NetAdmin) {
        let what = match facts.role {
            Role::Director => "the agent's table, addresses and sysctls can be read and written",
            Role::RealServer => "the agent's addresses and sysctls can be written",
        };
        Finding::ok(check, "CAP_NET_ADMIN", what)
    } else {
        Finding::problem(
            check,
            "CAP_NET_ADMIN",
            "this process does not have it: the agent needs it, and without it not all of this \
             can be seen",
            "run as root",
        )
    }];
    if facts.role == Role::RealServer {
        return findings;
    }
    if config.checks_any(|kind| matches!(kind, CheckKind::Ping)) {
        findings.push(if may.has(Capability::NetRaw) || may.ping_group {
            Finding::ok(check, "ping", "the agent's checks can send ICMP echoes")
        } else {
            Finding::problem(
                check,
                "ping",
                "neither CAP_NET_RAW nor the group lets the agent's checks send ICMP echoes",
                "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"",
            )
        });
    }
    if config.checks_any(CheckKind::runs_by_user) {
        findings.push(
            if may.has(Capability::Setuid) && may.has(Capability::Setgid) {
                let subject = "CAP_SETUID, CAP_SETGID";
                Finding::ok(
                    check,
                    subject,
                    "programs of checks can be run by their `user`",
                )
            } else {
                Finding::problem(
                    check,
                    "CAP_SETUID, CAP_SETGID",
                    "missing: the programs of checks cannot be run by their `user`",
                    "run as root, or add both to CapabilityBoundingSet= and AmbientCapabilities= of the agent's unit",
                )
            },
        );
    }
    findings
}

#[cfg(test)]
mod tests;
