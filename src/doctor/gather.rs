//! Reads what [`super::examine`] judges. Nothing is written, no module is
//! loaded: IPVS is not asked where it is not there already.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use thiserror::Error;

use super::Facts;
use super::agent::RunningAgent;
use super::modules::{Modules, Refusal, refused_at_boot, refused_by};
use super::parameters;
use super::permissions::Permissions;
use super::reach::Probed;
use super::stale_neighbours;
use super::vip_probe_facts::{Source, VipProbeFacts};
use crate::agent::decisions::DecisionFile;
use crate::agent::real_server::{HostInspection, HostInspector};
use crate::config::{Config, Via, VirtualService};
use crate::control::{self, ControlError};
use crate::kernel::{
    Host, Ipvs as _, IpvsReader, KernelError, KernelIpvs, Route, Sysctls, present,
};
use crate::link::arp_audit;
use crate::model::{Forwarding, RealServerId, Role, ServiceKey, SysctlKey};
use crate::plan::{ServiceState, desired};
use crate::probe::{ProbeTarget, Prober, probe_targets, vip_path};
use crate::reconcile::{StateFile, StateLock};
use crate::runtime::error_chain::error_chain;
use crate::runtime::stored_file::{IfDamaged, StoredFileError};
use crate::status::document::Filter;

/// Probes that are under way at a time.
const PROBES_AT_ONCE: usize = 256;

/// The host could not be looked at.
#[derive(Debug, Error)]
pub(crate) enum GatherError {
    /// The kernel did not tell.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// What the agent owns or what is drained is not known.
    #[error(transparent)]
    StateFile(#[from] StoredFileError),
}

/// All facts about this host in this role.
pub(crate) async fn gather(config: &Config, path: &Path, role: Role) -> Result<Facts, GatherError> {
    // Before the file: an agent that says nothing against it has written it.
    let control = match role {
        Role::Director => config.director_control(),
        Role::RealServer => config.real_server_control(),
    };
    let agent = running_agent(&control.socket).await;
    let remembered = StateFile::new(&config.state_dir, role).load(IfDamaged::Leave)?;
    let owned = remembered.owned;
    let mut damaged: Vec<_> = remembered.damage.into_iter().collect();
    if role == Role::Director {
        let drains = DecisionFile::new(&config.state_dir).load(IfDamaged::Leave)?;
        damaged.extend(drains.reported().cloned());
    }
    damaged.extend(StateLock::damage(&config.state_dir, role));
    let mut host = Host::new();
    let interfaces = host.interfaces().await?;
    let addresses = host.addresses(&interfaces).await?;
    let addresses = addresses.into_iter().map(|held| held.address).collect();
    let vips = match role {
        Role::Director => BTreeSet::new(),
        Role::RealServer => {
            let owned = owned.addresses.iter().map(|owned| owned.address);
            desired::vips_with_memory(config, &addresses, owned)
        }
    };
    let HostInspection { facts, services } = {
        let keep = config.real_server.resync_interval;
        HostInspector::new().inspect(config, &vips, keep).await?
    };
    let sysctls = sysctls(&parameters::keys(config, role, &interfaces))?;
    let modules = modules();
    let (mut table, mut routes, mut probed) = (None, BTreeMap::new(), Vec::new());
    let (mut vip_probes, mut by_mark) = (None, BTreeMap::new());
    let mut claims = None;
    let mut runs_sync_daemon = false;
    let mut stale_neighbours = BTreeSet::new();
    if role == Role::Director {
        let ipvs = modules.loaded.contains("ip_vs");
        if ipvs {
            // Where the kernel refuses this it refuses the table as well, whose
            // finding says so.
            runs_sync_daemon = KernelIpvs::new().runs_sync_daemon().await.unwrap_or(false);
            let found = read_table(config, &owned.services).await;
            table = Some(found.map(|(keys, found)| {
                by_mark = found;
                keys
            }));
        }
        if config.asks_through_vips() {
            let passes_everything = if ipvs {
                IpvsReader::new().passes_everything().await
            } else {
                Ok(false)
            };
            vip_probes = Some(VipProbeFacts {
                sources: sources(config),
                by_mark,
                passes_everything,
            });
        }
        routes = tunnel_routes(config, &mut host).await;
        let asked = async {
            match config.director.link {
                Some(_) => Some(arp_audit::ask(Arc::new(config.clone())).await),
                None => None,
            }
        };
        (probed, claims) = tokio::join!(probe_all(config), asked);
        stale_neighbours = stale_neighbours::ask(config, &facts.addresses).await?;
    }
    Ok(Facts {
        role,
        config_path: absolute(path),
        permissions: permissions(),
        modules,
        sysctls,
        host: facts,
        services,
        claims,
        stale_neighbours,
        routes,
        rules: host.mark_rules().await?,
        table,
        runs_sync_daemon,
        damaged,
        owned: owned.services,
        leaving: owned
            .leaving
            .into_keys()
            .map(|(service, _)| service)
            .collect(),
        vip_probes,
        probed,
        agent,
    })
}

/// As the running agent shows its own.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn sysctls(keys: &BTreeSet<SysctlKey>) -> Result<BTreeMap<SysctlKey, String>, KernelError> {
    let sysctls = Sysctls::default();
    let read = keys.iter().map(|key| Ok((key.clone(), sysctls.read(key)?)));
    let read: Vec<_> = read.collect::<Result<_, KernelError>>()?;
    let there = read
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    Ok(there.collect())
}

/// What cannot be read is not there: a container has no `/lib/modules`.
pub(super) fn modules() -> Modules {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let name = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        let name = file.split(".ko").next().unwrap_or(file);
        name.replace('-', "_")
    };
    let release = rustix::system::uname();
    let directory = format!("/lib/modules/{}", release.release().to_string_lossy());
    let in_use = read("/proc/modules");
    let in_use = in_use.lines().filter_map(|line| line.split(' ').next());
    let built_in = read(&format!("{directory}/modules.builtin"));
    let shown = fs::read_dir("/sys/module").into_iter().flatten().flatten();
    let shown = shown.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let loadable = read(&format!("{directory}/modules.dep"));
    let loadable = loadable.lines().filter_map(|line| line.split(':').next());
    Modules {
        refused: refusals(),
        disabled: read("/proc/sys/kernel/modules_disabled").trim() == "1",
        loaded: in_use
            .chain(built_in.lines())
            .map(name)
            .chain(shown)
            .collect(),
        loadable: loadable.map(name).collect(),
    }
}

/// The modules that are refused, by the directories of modprobe.d(5) and the
/// kernel's command line.
fn refusals() -> BTreeMap<String, Refusal> {
    let directories = [
        "/lib/modprobe.d",
        "/usr/lib/modprobe.d",
        "/usr/local/lib/modprobe.d",
        "/run/modprobe.d",
        "/etc/modprobe.d",
    ];
    let files = directories
        .into_iter()
        .filter_map(|path| fs::read_dir(path).ok());
    let files = files.flatten().flatten().map(|entry| entry.path());
    let files = files.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "conf")
    });
    let mut refused = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let names = refused_by(&text).into_iter();
        refused.extend(names.map(|name| (name, Refusal::ModprobeD(file.clone()))));
    }
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let names = refused_at_boot(&command_line).into_iter();
    refused.extend(names.map(|name| (name, Refusal::CommandLine)));
    refused
}

fn permissions() -> Permissions {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let range: Vec<u32> = range.split_whitespace().flat_map(str::parse).collect();
    let group = rustix::process::getegid().as_raw();
    Permissions {
        effective: effective.unwrap_or(0),
        ping_group: matches!(*range, [first, last] if (first..=last).contains(&group)),
    }
}

async fn tunnel_routes(
    config: &Config,
    host: &mut Host,
) -> BTreeMap<IpAddr, Result<Route, String>> {
    let services = config.virtual_services.iter();
    let members = services.flat_map(VirtualService::members);
    let tunneled = members.filter(|member| matches!(member.forwarding, Forwarding::Tunnel(_)));
    let ends: BTreeSet<_> = tunneled.map(|member| member.address()).collect();
    let mut routes = BTreeMap::new();
    for to in ends {
        let route = host.route(to).await;
        routes.insert(to, route.map_err(|error| error_chain(&error)));
    }
    routes
}

/// The virtual services, and all of those by a mark of `director.probe_mark`.
async fn read_table(
    config: &Config,
    owned: &BTreeSet<ServiceKey>,
) -> Result<(BTreeSet<ServiceKey>, BTreeMap<ServiceKey, ServiceState>), KernelError> {
    let mut ipvs = KernelIpvs::new();
    let configured = config.virtual_services.iter().map(|service| service.key);
    let wanted = configured.chain(owned.iter().copied());
    let (mut keys, mut by_mark) = (BTreeSet::new(), BTreeMap::new());
    for (key, observed) in present::services(&mut ipvs, wanted).await? {
        keys.insert(key);
        if let ServiceKey::Fwmark { mark, .. } = key
            && config.director.probe_mark.number(mark).is_some()
        {
            let destinations = ipvs.destinations(&key).await?.into_iter();
            let state = ServiceState {
                service: observed.service,
                destinations: destinations
                    .map(|(to, seen)| (to, seen.destination))
                    .collect(),
            };
            by_mark.insert(key, state);
        }
    }
    Ok((keys, by_mark))
}

/// From which addresses of this host which VIPs are asked.
fn sources(config: &Config) -> BTreeSet<Source> {
    let mut sources = BTreeSet::new();
    for service in &config.virtual_services {
        let Some(vip) = service.key.vip() else {
            continue;
        };
        let members = service.members();
        for member in members.filter(|member| member.check.via.through_vip()) {
            let real_server = member.address();
            let address = vip_path::source(real_server, &member.check.origin, vip);
            let address = address.map_err(|why| (why, real_server));
            sources.insert(Source { vip, address });
        }
    }
    sources
}

/// Each check of each target once, in the configuration's order.
async fn probe_all(config: &Config) -> Vec<Probed> {
    let asking = Prober::new();
    let outcomes = stream::iter(probe_targets(config))
        .map(async |ProbeTarget { spec, subscribers }| {
            let (outcome, beside) = match spec.check.via {
                Via::RealServer | Via::Both => (asking.probe_own_address(&spec).await, None),
                Via::Vip => tokio::join!(
                    asking.probe_as_clients_would(&spec),
                    asking.probe_beside(&spec)
                ),
            };
            let names = subscribers.iter().filter_map(|id| name(config, *id));
            let seen = Probed {
                names: names.collect(),
                target: spec.target,
                via: spec.check.via,
                origin: spec.check.origin.clone(),
                outcome,
                beside,
            };
            (subscribers.first().copied(), seen)
        })
        .buffer_unordered(PROBES_AT_ONCE);
    let mut outcomes: Vec<_> = outcomes.collect().await;
    outcomes.sort_by_key(|(first, _)| first.map(|id| (id.service, id.real_server)));
    outcomes.into_iter().map(|(_, seen)| seen).collect()
}

/// `web/rs1`.
fn name(config: &Config, id: RealServerId) -> Option<String> {
    let service = config.virtual_services.get(id.service_index())?;
    let real_server = service.real_servers.get(id.real_server_index());
    let name = real_server.map_or("sorry_server", |real_server| &*real_server.name);
    Some(format!("{}/{name}", service.name))
}

async fn running_agent(socket: &Path) -> RunningAgent {
    match control::get_status(socket, &Filter::default()).await {
        Ok(status) => RunningAgent::Status(Box::new(status)),
        Err(error @ ControlError::OtherVersion { .. }) => {
            RunningAgent::OtherVersion(error_chain(&error))
        }
        Err(error) => RunningAgent::None(error_chain(&error)),
    }
}
