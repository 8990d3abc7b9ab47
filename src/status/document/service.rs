//! A virtual service and its real servers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::set_weight::SetWeightStatus;
use crate::model::{
    AdminState, Connections, Decision, Forwarding, Health, Quiesced, ServiceKey, Watching, Weight,
    short_duration,
};
use crate::runtime::own_command;
use crate::status::{RealServerLive, RealServerRecord, ServiceRecord};

/// The check of a real server that nothing checks, as the configuration has it.
const NO_CHECK: &str = "none";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceStatus {
    pub(crate) name: String,
    /// VIP and port; `None` of a service by firewall mark.
    pub(crate) address: Option<String>,
    /// Only of a service by firewall mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fwmark: Option<u32>,
    /// Only of a service by firewall mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<String>,
    /// `None` of a service by firewall mark, which takes any.
    pub(crate) protocol: Option<String>,
    pub(crate) scheduler: String,
    pub(crate) forwarding: String,
    /// What a tunnel is made of, as `plan` shows it; left out of another forwarding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tunnel: Option<String>,
    pub(crate) quorum: QuorumStatus,
    /// Whether failing real servers serve, because too few others are up.
    pub(crate) fail_open: bool,
    pub(crate) real_servers: Vec<RealServerStatus>,
    /// The real servers of weight 0 whose clients the scheduler refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused_clients_of: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sorry_server: Option<SorryServerStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct QuorumStatus {
    pub(crate) weight: u32,
    pub(crate) hysteresis: u32,
    pub(crate) met: bool,
}

impl Default for QuorumStatus {
    /// An agent that does not tell has no quorum to lose.
    fn default() -> Self {
        Self {
            weight: 0,
            hysteresis: 0,
            met: true,
        }
    }
}

/// What an operator wants of a real server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AdminStatus {
    /// `enabled`, `draining` or `drained`.
    pub(crate) state: String,
    /// When an operator asked for a drain, if the agent knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Who asked for it, if the agent knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, if the operator said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl AdminStatus {
    fn of(live: &RealServerLive) -> Self {
        let state = live.admin.as_str().to_owned();
        let decision = live.decision.as_deref().cloned();
        let Decision { since, by, reason } = decision.unwrap_or_default();
        Self {
            state,
            since: since.map(Timestamp),
            by: by.as_deref().map(str::to_owned),
            reason: reason.as_deref().map(str::to_owned),
        }
    }

    /// Whether the agent knows more of it than the state.
    pub(super) fn is_known(&self) -> bool {
        self.since.is_some() || self.by.is_some() || self.reason.is_some()
    }
}

impl Default for AdminStatus {
    fn default() -> Self {
        Self {
            state: AdminState::Enabled.as_str().to_owned(),
            since: None,
            by: None,
            reason: None,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SorryServerStatus {
    /// Whether it serves in place of the real servers.
    pub(crate) active: bool,
    #[serde(flatten)]
    pub(crate) server: RealServerStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RealServerStatus {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Only where this is not the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forwarding: Option<String>,
    /// Only where this forwarding is a tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tunnel: Option<String>,
    /// `none`, where nothing checks it; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) check: Option<String>,
    /// `unknown`, `up` or `down`.
    pub(crate) health: String,
    pub(crate) admin: AdminStatus,
    /// When the drain should be over; only while it is draining.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drain_deadline: Option<Timestamp>,
    /// Why it has weight 0 though neither its health nor an operator asks for
    /// it: `arp_conflict`.
    pub(crate) quiesced: Option<String>,
    /// `ok`, or what is wrong with it; `None` before the first probe.
    pub(crate) diagnosis: Option<String>,
    /// What to do about that; `None` where nothing is wrong.
    pub(crate) fix: Option<String>,
    pub(crate) weight: WeightStatus,
    pub(crate) connections: ConnectionsStatus,
    pub(crate) last_probe: Option<ProbeStatus>,
    /// `connected`, `not_connected`, `ended_by_server`, `too_much_sent` or `not_made`; left out
    /// where the check has no `watch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) watch: Option<String>,
    pub(crate) since: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct WeightStatus {
    pub(crate) configured: u32,
    /// What an operator has set in place of that; only where one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) set: Option<SetWeightStatus>,
    /// What its check says in place of that; only where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advised: Option<u32>,
    pub(crate) desired: u32,
    /// `None` if the kernel has no such destination.
    pub(crate) kernel: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ConnectionsStatus {
    pub(crate) active: u32,
    pub(crate) inactive: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProbeStatus {
    pub(crate) at: Timestamp,
    pub(crate) result: String,
    pub(crate) detail: String,
    /// Where it asked; `None` where that is no port, or several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    pub(crate) duration_ms: f64,
}

impl ServiceStatus {
    /// The service with the real servers that are included.
    pub(crate) fn of(
        record: &ServiceRecord,
        is_included: impl Fn(&RealServerRecord) -> bool,
    ) -> Self {
        let (address, fwmark, family, protocol) = match record.key {
            ServiceKey::Address { protocol, address } => (
                Some(address.to_string()),
                None,
                None,
                Some(protocol.to_string()),
            ),
            ServiceKey::Fwmark { mark, family } => {
                (None, Some(mark.get()), Some(family.to_string()), None)
            }
        };
        let pool = *record.pool.lock();
        let sorry_server = record.sorry_server.as_ref();
        let real_servers = record.real_servers.iter();
        let real_servers: Vec<_> = real_servers
            .filter(|real_server| is_included(real_server))
            .map(|real_server| RealServerStatus::of(record, real_server))
            .collect();
        let refused = real_servers.iter().filter(|server| {
            let weight = &server.weight;
            record.refuses_clients && weight.configured > 0 && weight.kernel == Some(0)
        });
        Self {
            refused_clients_of: refused.map(|server| server.name.clone()).collect(),
            name: record.name.to_string(),
            address,
            fwmark,
            family,
            protocol,
            scheduler: record.scheduler.to_string(),
            forwarding: record.forwarding.to_string(),
            tunnel: tunnel_of(record.forwarding),
            quorum: QuorumStatus {
                weight: pool.quorum,
                hysteresis: pool.hysteresis,
                met: pool.status.quorum_met,
            },
            fail_open: pool.status.fail_open,
            real_servers,
            sorry_server: sorry_server
                .filter(|one| is_included(one))
                .map(|sorry_server| SorryServerStatus {
                    active: pool.status.sorry_serves,
                    server: RealServerStatus::of(record, sorry_server),
                }),
        }
    }

    /// Leaves out the real servers with which nothing is wrong; see
    /// [`RealServerStatus::has_problem`]. Those for which `watch` is of no use stay, since a
    /// warning is about them. Returns whether something is wrong with the service.
    pub(crate) fn keep_problems(&mut self, patience: Duration, now: SystemTime) -> bool {
        let real_servers = &mut self.real_servers;
        let is_kept =
            |one: &RealServerStatus| one.has_problem(patience, now) || one.watch_is_useless();
        real_servers.retain(is_kept);
        let sorry_server = self.sorry_server.take();
        self.sorry_server = sorry_server.filter(|one| one.active || is_kept(&one.server));
        self.servers().next().is_some() || !self.warnings().is_empty()
    }

    /// What is not as it should be with the pool as a whole, for people.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let active = self.sorry_server.as_ref().is_some_and(|s| s.active);
        let warnings = [
            (!self.quorum.met, "quorum lost"),
            (active, "the sorry server serves"),
            (
                self.fail_open,
                "failing open: failing real servers serve, too",
            ),
        ];
        let true_ones = warnings.into_iter().filter(|(is_so, _)| *is_so);
        let warnings = true_ones.map(|(_, warning)| warning.to_owned());
        let refused = (!self.refused_clients_of.is_empty()).then(|| {
            format!(
                "the scheduler {} refuses the clients of {}, until {} weight again: \
                 `scheduler_flags: [fallback]` gives them to others",
                self.scheduler,
                self.refused_clients_of.join(", "),
                if self.refused_clients_of.len() == 1 {
                    "it has"
                } else {
                    "they have"
                },
            )
        });
        warnings.chain(refused).chain(self.unwatched()).collect()
    }

    /// The real servers for which `watch` is of no use, a sentence for each reason.
    fn unwatched(&self) -> impl Iterator<Item = String> {
        /// As many names as a person reads on a line.
        const NAMES: usize = 5;
        Watching::USELESS.into_iter().filter_map(|state| {
            let (shown, reason) = (state.as_str(), state.reason()?);
            let servers = self.servers();
            let servers = servers.filter(|server| server.watch.as_deref() == Some(shown));
            let names: Vec<_> = servers.map(|server| server.name.as_str()).collect();
            let (first, others) = names.split_at(names.len().min(NAMES));
            let more = match others.len() {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            let first = first.join(", ");
            (!names.is_empty()).then(|| format!("`watch` is of no use for {first}{more}: {reason}"))
        })
    }

    /// The real servers with which something is wrong: the name, the diagnosis
    /// and the fix, for people.
    pub(crate) fn fixes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.servers().filter_map(|server| {
            let diagnosis = server.diagnosis.as_deref()?;
            Some((server.name.as_str(), diagnosis, server.fix.as_deref()?))
        })
    }

    /// The same as lines; beyond the first few of a diagnosis, a number. While
    /// all weights are frozen, the director is at fault, and no real server is blamed.
    pub(crate) fn fix_lines(&self, is_frozen: bool) -> Vec<String> {
        /// Of one diagnosis.
        const LINES: usize = 5;
        let mut lines = Vec::new();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (real_server, diagnosis, fix) in self.fixes().filter(|_| !is_frozen) {
            let number = numbers.entry(diagnosis).or_default();
            *number += 1;
            if *number <= LINES {
                lines.push(format!("{real_server}: {diagnosis}; fix: {fix}"));
            }
        }
        let more = numbers.into_iter().filter(|(_, number)| *number > LINES);
        let more = more.map(|(diagnosis, number)| format!("{} more: {diagnosis}", number - LINES));
        lines.extend(more);
        lines
    }

    /// The real servers, and after them the sorry server.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &RealServerStatus> {
        let sorry_server = self.sorry_server.iter();
        let sorry_server = sorry_server.map(|sorry_server| &sorry_server.server);
        self.real_servers.iter().chain(sorry_server)
    }

    /// How packets reach the real servers that have no forwarding of their own, for people.
    pub(crate) fn forwarding_and_tunnel(&self) -> String {
        with_tunnel(&self.forwarding, self.tunnel.as_ref())
    }

    /// What the kernel knows it by, for people.
    pub(crate) fn key(&self) -> String {
        let part = |part: &Option<String>| part.as_deref().unwrap_or("?").to_owned();
        match self.fwmark {
            Some(mark) => format!("fwmark {mark} {}", part(&self.family)),
            None => format!(
                "{} {}",
                part(&self.protocol),
                shown_address(&part(&self.address))
            ),
        }
    }
}

fn tunnel_of(forwarding: Forwarding) -> Option<String> {
    let Forwarding::Tunnel(tunnel) = forwarding else {
        return None;
    };
    Some(tunnel.to_string())
}

/// `tunnel gre checksum sum`, and another forwarding as it is.
fn with_tunnel(forwarding: &str, tunnel: Option<&String>) -> String {
    let tunnel = tunnel.map(|tunnel| format!(" {tunnel}"));
    format!("{forwarding}{}", tunnel.unwrap_or_default())
}

/// An address for people: port 0 of IPVS is every port, which the configuration has as `*`.
pub(crate) fn shown_address(address: &str) -> Cow<'_, str> {
    match address.strip_suffix(":0") {
        // Not the end of an IPv6 address.
        Some(host) if host.ends_with(']') || !host.contains(':') => format!("{host}:*").into(),
        _ => address.into(),
    }
}

impl ConnectionsStatus {
    pub(super) fn of(connections: Connections) -> Self {
        Self {
            active: connections.active,
            inactive: connections.inactive,
        }
    }
}

impl ProbeStatus {
    /// What was seen, where and in what time, for people.
    pub(crate) fn summary(&self) -> String {
        let duration = Duration::try_from_secs_f64(self.duration_ms / 1000.0).unwrap_or_default();
        let (detail, duration) = (&self.detail, short_duration(duration));
        match self.port {
            Some(port) => format!("{detail}, port {port}, {duration}"),
            None => format!("{detail}, {duration}"),
        }
    }
}

impl RealServerStatus {
    /// Whether something is wrong with the real server, or its check has had no verdict
    /// for longer than `patience`.
    pub(crate) fn has_problem(&self, patience: Duration, now: SystemTime) -> bool {
        let is_unknown = self.health == Health::Unknown.as_str();
        let unknown_for = now.duration_since(self.since.0).unwrap_or_default();
        self.health == Health::Down.as_str()
            || (is_unknown && unknown_for > patience)
            || self.fix.is_some()
            || self.quiesced.is_some()
    }

    /// Whether a watched connection has no use there.
    fn watch_is_useless(&self) -> bool {
        let useless = Watching::USELESS.map(Watching::as_str);
        let watch = self.watch.as_deref();
        watch.is_some_and(|watch| useless.contains(&watch))
    }

    /// The address, and the forwarding where this is not the service's, for people.
    pub(crate) fn address_and_forwarding(&self) -> String {
        let address = shown_address(&self.address);
        match &self.forwarding {
            Some(forwarding) => {
                format!(
                    "{address}, {}",
                    with_tunnel(forwarding, self.tunnel.as_ref())
                )
            }
            None => address.into_owned(),
        }
    }

    /// What is said in place of a last probe, for people.
    pub(crate) fn no_probe(&self) -> &'static str {
        if self.check.as_deref() == Some(NO_CHECK) {
            "not checked"
        } else {
            "none yet"
        }
    }

    fn of(service: &ServiceRecord, record: &RealServerRecord) -> Self {
        let live = record.live.lock().clone();
        let subject = service.subject(record);
        let fix = live.suggested_fix(subject);
        let is_own = record.forwarding != service.forwarding;
        let own_forwarding = is_own.then_some(record.forwarding);
        Self {
            name: record.name.to_string(),
            address: record.key.to_string(),
            forwarding: own_forwarding.map(|own| own.to_string()),
            tunnel: own_forwarding.and_then(tunnel_of),
            check: (!record.is_checked).then(|| NO_CHECK.to_owned()),
            health: live.health.to_string(),
            admin: AdminStatus::of(&live),
            drain_deadline: live.drain_deadline.map(Timestamp),
            quiesced: live.quiesced.map(Quiesced::as_str).map(str::to_owned),
            diagnosis: live.diagnosis.map(|diagnosis| diagnosis.to_string()),
            fix: fix.map(|fix| own_command::complete(&fix.to_string()).into_owned()),
            weight: WeightStatus {
                configured: record.configured.get(),
                set: live
                    .operator_weight
                    .map(|weight| SetWeightStatus::of(*weight, record.configured)),
                advised: live.advised.map(Weight::get),
                desired: live.desired.get(),
                kernel: live.kernel.map(Weight::get),
            },
            connections: ConnectionsStatus::of(live.connections),
            last_probe: live.last_probe.map(|probe| ProbeStatus {
                at: Timestamp(probe.at),
                result: probe.result.as_str().to_owned(),
                detail: own_command::complete(&probe.detail).into_owned(),
                port: (record.checked_port != 0).then_some(record.checked_port),
                duration_ms: probe.duration.as_secs_f64() * 1000.0,
            }),
            watch: live
                .watching
                .map(|watching| watching.lock().as_str().to_owned()),
            since: Timestamp(live.since),
        }
    }
}
