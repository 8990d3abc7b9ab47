//! Checks the kernel's modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Facts, Finding};
use crate::config::Config;
use crate::model::{Family, Forwarding, Role, Scheduler, Tunnel};
use crate::status::command_line;

/// The kernel's modules by name, `_` for each `-`.
#[derive(Debug, Clone, Default)]
pub(super) struct Modules {
    /// The modules that are loaded or built in.
    pub(super) loaded: BTreeSet<String>,
    /// The modules that could be loaded.
    pub(super) loadable: BTreeSet<String>,
    /// The loadable modules that are refused.
    pub(super) refused: BTreeMap<String, Refusal>,
    /// Whether the kernel loads none any more (`kernel.modules_disabled`).
    pub(super) disabled: bool,
}

/// Why a module is not loaded though it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This file tells modprobe(8) to do something else instead.
    ModprobeD(PathBuf),
    /// `module_blacklist` of the kernel's command line.
    CommandLine,
}

impl Refusal {
    fn message(&self, name: &str) -> String {
        match self {
            Self::ModprobeD(file) => {
                let file = file.display();
                format!("it is not loaded, and `install {name}` in {file} refuses it")
            }
            Self::CommandLine => {
                "it is not loaded, and `module_blacklist` of the kernel's command line refuses it"
                    .to_owned()
            }
        }
    }

    fn fix(&self, name: &str) -> String {
        match self {
            Self::ModprobeD(file) => {
                let file = file.display();
                format!("remove the line `install {name}` from {file}, then: modprobe {name}")
            }
            Self::CommandLine => format!("boot without {name} in `module_blacklist`"),
        }
    }
}

/// The modules that a file of modprobe.d(5) refuses: those for which it has
/// `false` or `true` run instead.
pub(super) fn refused_by(text: &str) -> BTreeSet<String> {
    let refused = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words
            .next()
            .filter(|word| *word == "install")
            .and(words.next())?;
        let program = words.next()?.rsplit('/').next()?;
        matches!(program, "false" | "true").then(|| name.replace('-', "_"))
    });
    refused.collect()
}

/// The modules that the kernel's command line refuses.
pub(super) fn refused_at_boot(command_line: &str) -> BTreeSet<String> {
    let words = command_line.split_whitespace();
    words
        .filter_map(|word| word.strip_prefix("module_blacklist="))
        .flat_map(|names| names.split(','))
        .map(|name| name.replace('-', "_"))
        .collect()
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let modules = &facts.modules;
    match facts.role {
        Role::Director => {
            let mut findings = vec![table(modules)];
            let by_table = needed_by_table(config);
            findings.extend(by_table.iter().map(|name| modules.finding(name)));
            findings
        }
        Role::RealServer => {
            let tunnels = needed_by_tunnels(config, facts);
            tunnels.iter().map(|name| modules.finding(name)).collect()
        }
    }
}

/// Nothing but the agent's start, or an operator, asks for this one.
fn table(modules: &Modules) -> Finding {
    if !modules.loaded.contains("ip_vs")
        && modules.loadable.contains("ip_vs")
        && modules.refusal("ip_vs").is_none()
    {
        let message = "it is not loaded: this host forwards nothing";
        return Finding::warning("module", "ip_vs", message, "modprobe ip_vs");
    }
    modules.finding("ip_vs")
}

impl Modules {
    /// Why a module is not loaded when it is needed, and what helps.
    fn refusal(&self, name: &str) -> Option<(String, String)> {
        if self.disabled {
            let message = "it is not loaded, and kernel.modules_disabled is 1: none is any more";
            let fix = format!("let {name} be loaded at boot (/etc/modules-load.d), and reboot");
            return Some((message.to_owned(), fix));
        }
        let refusal = self.refused.get(name)?;
        Some((refusal.message(name), refusal.fix(name)))
    }

    /// The kernel loads by itself what it is asked for.
    fn finding(&self, name: &str) -> Finding {
        if self.loaded.contains(name) {
            Finding::ok("module", name, "it is loaded")
        } else if self.loadable.contains(name)
            && let Some((message, fix)) = self.refusal(name)
        {
            Finding::problem("module", name, message, fix)
        } else if self.loadable.contains(name) {
            Finding::ok("module", name, "it is loaded when it is needed")
        } else {
            Finding::problem(
                "module",
                name,
                "this kernel does not have it",
                format!("modprobe {name}, or boot a kernel that has it"),
            )
        }
    }
}

/// Schedulers and persistence engines; the services by mark of probes through
/// VIPs have a scheduler, too.
fn needed_by_table(config: &Config) -> BTreeSet<String> {
    let services = config.virtual_services.iter();
    let modules = services.flat_map(|service| {
        let engine = service.persistence.as_ref().and_then(|p| p.engine.as_ref());
        let engine = engine.map(|engine| format!("ip_vs_pe_{engine}"));
        let scheduler = format!("ip_vs_{}", service.scheduler);
        std::iter::once(scheduler).chain(engine)
    });
    let probes = config.asks_through_vips();
    let probes = probes.then(|| format!("ip_vs_{}", Scheduler::round_robin()));
    modules.chain(probes).collect()
}

/// A note for each scheduler and persistence engine that is not loaded.
pub(super) fn notes(config: &Config, config_path: &Path, modules: &Modules) -> Vec<String> {
    let see = |subcommand| command_line(subcommand, Role::Director, config_path);
    let needed = needed_by_table(config);
    let missing = needed.iter().filter(|name| !modules.loaded.contains(*name));
    missing
        .map(|name| {
            let refused = modules.disabled || modules.refused.contains_key(name);
            if modules.loadable.contains(name) && refused {
                format!(
                    "the module {name} is not loaded, and this host refuses to load it: \
                     see `{}`",
                    see("doctor")
                )
            } else if modules.loadable.contains(name) {
                format!("the module {name} is not loaded: the kernel loads it for the service")
            } else {
                let what = name.trim_start_matches("ip_vs_");
                format!(
                    "this kernel has no module {name}, so it will refuse every service with `{}`: \
                     see `{}`",
                    what.trim_start_matches("pe_"),
                    see("check-config")
                )
            }
        })
        .collect()
}

/// What unpacks the packets of the director.
fn needed_by_tunnels(config: &Config, facts: &Facts) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    for readiness in &facts.services {
        let mut services = config.virtual_services.iter();
        let service = services.find(|service| service.key == readiness.service.key());
        let (Some(own), Some(service)) = (readiness.service.own, service) else {
            continue;
        };
        for forwarding in service.forwardings(Some(own)) {
            if let Forwarding::Tunnel(tunnel) = forwarding {
                let name = module_of_tunnel(tunnel, own.into(), service.key.family());
                needed.insert(name.to_owned());
            }
        }
    }
    needed
}

fn module_of_tunnel(tunnel: Tunnel, outer: Family, inner: Family) -> &'static str {
    match (tunnel, outer, inner) {
        (Tunnel::Gue { .. }, ..) => "fou",
        (Tunnel::Ipip, Family::Ipv4, Family::Ipv4) => "ipip",
        (Tunnel::Ipip, Family::Ipv4, Family::Ipv6) => "sit",
        (Tunnel::Ipip, Family::Ipv6, _) => "ip6_tunnel",
        (Tunnel::Gre { .. }, Family::Ipv4, _) => "ip_gre",
        (Tunnel::Gre { .. }, Family::Ipv6, _) => "ip6_gre",
    }
}

#[cfg(test)]
mod tests;
