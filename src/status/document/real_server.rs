//! A real server: its health, weights, connections, and its last probe.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::address::shown_address;
use super::forwarding::{tunnel_of, with_tunnel};
use super::set_weight::SetWeightStatus;
use crate::model::{
    AdminState, Connections, Decision, Health, Quiesced, Watching, Weight, short_duration,
};
use crate::runtime::own_command;
use crate::status::{RealServerLive, RealServerRecord, ServiceRecord};

/// The check of a real server that nothing checks, as the configuration has it.
const NO_CHECK: &str = "none";

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
    pub(super) fn watch_is_useless(&self) -> bool {
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

    pub(super) fn of(service: &ServiceRecord, record: &RealServerRecord) -> Self {
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
