//! Findings about a host: each subject once, as ok, a warning or a problem, with
//! the fix. Pure but for [`gather()`], which only reads.

mod addresses;
mod agent;
mod both_roles;
mod gather;
mod marks;
mod modules;
mod parameters;
mod permissions;
mod probe_marks;
mod reach;
mod serving;
mod stale_neighbours;
mod table;
mod through_vip;
mod tunnels;
mod vip_probe_facts;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub(crate) use gather::{GatherError, gather};

use agent::RunningAgent;
use modules::Modules;
use permissions::Permissions;
use reach::Probed;
use vip_probe_facts::VipProbeFacts;

use crate::config::Config;
use crate::kernel::{KernelError, Route};
use crate::model::{MarkRule, Role, ServiceKey, Severity, SysctlKey};
use crate::plan::desired;
use crate::readiness::{HostFacts, ServiceReadiness};
use crate::runtime::stored_file::Damage;
use crate::status::{ArpRecord, command_line};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FindingSeverity {
    /// As it should be.
    Ok,
    /// The subject works, or may be meant so.
    Warning,
    /// Something does not work.
    Problem,
}

impl FindingSeverity {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was looked for: `module`, `vip`, `real_server`.
    pub(crate) check: &'static str,
    /// On what: `ip_vs`, `192.168.11.200`, `web/rs1`.
    pub(crate) subject: String,
    pub(crate) verdict: FindingSeverity,
    pub(crate) message: String,
    /// What to do, mostly a command; `None` for [`FindingSeverity::Ok`].
    pub(crate) fix: Option<String>,
}

impl Finding {
    fn ok(
        check: &'static str,
        subject: &(impl ToString + ?Sized),
        message: impl Into<String>,
    ) -> Self {
        Self {
            check,
            subject: subject.to_string(),
            verdict: FindingSeverity::Ok,
            message: message.into(),
            fix: None,
        }
    }

    fn bad(
        verdict: FindingSeverity,
        check: &'static str,
        subject: &(impl ToString + ?Sized),
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            check,
            subject: subject.to_string(),
            verdict,
            message: message.into(),
            fix: Some(fix.into()),
        }
    }

    fn warning(
        check: &'static str,
        subject: &(impl ToString + ?Sized),
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::bad(FindingSeverity::Warning, check, subject, message, fix)
    }

    fn problem(
        check: &'static str,
        subject: &(impl ToString + ?Sized),
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::bad(FindingSeverity::Problem, check, subject, message, fix)
    }
}

/// The facts that [`gather()`] reads.
pub(crate) struct Facts {
    pub(crate) role: Role,
    /// The file that the configuration was read from.
    config_path: PathBuf,
    permissions: Permissions,
    modules: Modules,
    /// The parameters of [`parameters::keys`] that the kernel has.
    sysctls: BTreeMap<SysctlKey, String>,
    host: HostFacts,
    /// Of a real server.
    services: Vec<ServiceReadiness>,
    /// Who else answers for the VIPs on a director's link; `None` where the
    /// agent has no VIPs on a link.
    claims: Option<ArpRecord>,
    /// VIPs of this director, and neighbours that look for them elsewhere.
    stale_neighbours: stale_neighbours::Stale,
    /// To the real servers behind a tunnel; the error tells why there is none.
    routes: BTreeMap<IpAddr, Result<Route, String>>,
    rules: Vec<MarkRule>,
    /// The table's virtual services; the error tells why they cannot be read.
    /// `None` on a real server, and where the kernel has no table.
    table: Option<Result<BTreeSet<ServiceKey>, KernelError>>,
    /// Whether one of IPVS's synchronization daemons runs on this director.
    runs_sync_daemon: bool,
    /// The services that the agent has written, by its state file; the running agent
    /// may say that it holds less ([`Facts::state_is_not_saved`]).
    owned: BTreeSet<ServiceKey>,
    /// The files in the state directory that are damaged.
    damaged: Vec<Damage>,
    /// The owned services that are leaving.
    leaving: BTreeSet<ServiceKey>,
    /// The facts about probes through VIPs; `None` if no check is made through one.
    vip_probes: Option<VipProbeFacts>,
    probed: Vec<Probed>,
    agent: RunningAgent,
}

impl Facts {
    /// The command line of a subcommand for the agent in this role.
    fn command_line(&self, subcommand: &str) -> String {
        command_line(subcommand, self.role, &self.config_path)
    }

    fn own_addresses(&self) -> BTreeSet<IpAddr> {
        let addresses = self.host.addresses.iter();
        addresses.map(|address| address.address).collect()
    }

    /// The VIPs of which this host is a real server.
    fn served_vips(&self, config: &Config) -> BTreeSet<IpAddr> {
        desired::vips(config, &self.own_addresses())
    }

    fn has_interface(&self, name: &str) -> bool {
        let mut there = self.host.interfaces.iter();
        there.any(|interface| interface.name == name)
    }

    /// The name of the interface that has this one as another name.
    fn interface_called(&self, other_name: &str) -> Option<&str> {
        let mut there = self.host.interfaces.iter();
        let found = there.find(|interface| interface.other_names.iter().any(|n| n == other_name));
        found.map(|interface| interface.name.as_str())
    }
}

/// What `plan` notes of the schedulers and persistence engines that this kernel
/// does not have, or not yet.
pub(crate) fn notes_of_modules(config: &Config, config_path: &Path) -> Vec<String> {
    modules::notes(config, config_path, &gather::modules())
}

/// All findings: those of the configuration first, then from the kernel's
/// ground up.
pub(crate) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let warnings = config
        .warnings
        .iter()
        .map(|w| Finding::warning("configuration", &w.place(), w.public_message(), w.hint()));
    let mut findings: Vec<_> = warnings.collect();
    if findings.is_empty() {
        findings.push(Finding::ok("configuration", "file", config.summary()));
    }
    findings.extend(facts.damaged.iter().map(of_damage));
    findings.extend(permissions::examine(config, facts));
    findings.extend(modules::examine(config, facts));
    findings.extend(parameters::examine(config, facts));
    findings.extend(both_roles::examine(config, facts));
    match facts.role {
        Role::Director => {
            findings.extend(addresses::examine(config, facts));
            findings.extend(stale_neighbours::examine(config, facts));
            findings.extend(tunnels::examine_director(config, facts));
            findings.extend(marks::examine(config, facts));
            findings.extend(probe_marks::examine(config, facts));
            findings.extend(table::examine(config, facts));
            findings.extend(reach::examine(config, facts));
            findings.extend(through_vip::examine(config, facts));
        }
        Role::RealServer => {
            findings.extend(serving::examine(facts));
            findings.extend(tunnels::examine_real_server(config, facts));
        }
    }
    findings.extend(agent::examine(config, facts));
    findings
}

/// A state file that is damaged, or that an earlier start of the agent set aside.
fn of_damage(damage: &Damage) -> Finding {
    let verdict = match damage.severity() {
        Severity::Problem => FindingSeverity::Problem,
        Severity::Warning => FindingSeverity::Warning,
    };
    let subject = damage.path().display();
    Finding::bad(
        verdict,
        "state_file",
        &subject,
        damage.to_string(),
        damage.fix(),
    )
}

#[cfg(test)]
mod fixture;
