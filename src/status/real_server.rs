//! One real server, as it is shown.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Counters;
use crate::diagnosis::{DiagnosisFix, DiagnosisSubject, Fix, Observation};
use crate::model::{
    AdminState, CertificateExpiry, Connections, ContinuousStatistics, Decision, Diagnosis,
    Forwarding, Health, OperatorWeight, ProbeResult, Quiesced, RealServerKey, Watching, Weight,
};
use crate::runtime::shared::Shared;

/// One real server of one virtual service.
#[derive(Debug)]
pub(crate) struct RealServerRecord {
    pub(crate) name: Arc<str>,
    pub(crate) key: RealServerKey,
    pub(crate) configured: Weight,
    /// How packets reach it.
    pub(crate) forwarding: Forwarding,
    /// Whether a check decides on its health; without one, it is up.
    pub(crate) is_checked: bool,
    /// Where its check asks; 0 where that is no port, or are several.
    pub(crate) checked_port: u16,
    pub(crate) live: Shared<RealServerLive>,
}

impl RealServerRecord {
    /// Whether both have the same configuration, as far as it is shown.
    pub(super) fn is_configured_as(&self, other: &Self) -> bool {
        let Self {
            name,
            key,
            configured,
            forwarding,
            is_checked,
            checked_port,
            live: _,
        } = self;
        (name, key, configured) == (&other.name, &other.key, &other.configured)
            && (forwarding, is_checked) == (&other.forwarding, &other.is_checked)
            && *checked_port == other.checked_port
    }
}

/// The part of a real server's record that changes.
#[derive(Debug, Clone)]
pub(crate) struct RealServerLive {
    pub(crate) health: Health,
    pub(crate) admin: AdminState,
    /// Of the drain; `None` while it is enabled. Boxed, as all that few real servers have: there
    /// may be tens of thousands.
    pub(crate) decision: Option<Box<Decision>>,
    /// Why it has weight 0 though neither health nor admin asks for it.
    pub(crate) quiesced: Option<Quiesced>,
    /// When `health` last changed.
    pub(crate) since: SystemTime,
    /// When the drain that is under way should be over: UDP counts as drained then.
    pub(crate) drain_deadline: Option<SystemTime>,
    /// The weight that an operator has set in place of the configured one.
    pub(crate) operator_weight: Option<Box<OperatorWeight>>,
    /// The weight that it, or somebody for it, asks for in place of the configured one.
    pub(crate) advised: Option<Weight>,
    pub(crate) desired: Weight,
    /// What the kernel held when it was last asked or written; `None` if it has no such destination.
    pub(crate) kernel: Option<Weight>,
    /// As of the last resync; while it is drained, of the last second.
    pub(crate) connections: Connections,
    /// As of the last resync.
    pub(crate) statistics: ContinuousStatistics,
    pub(crate) last_probe: Option<LastProbe>,
    /// What its probe shows of the watched connection; `None` for a check without `watch`.
    pub(crate) watching: Option<Arc<Shared<Watching>>>,
    /// What probes saw last.
    pub(crate) observation: Observation,
    /// What the probe of `observation` has found to be done, if it failed.
    pub(crate) fix: Option<Arc<Fix>>,
    /// What is wrong with it; `None` before the first probe.
    pub(crate) diagnosis: Option<Diagnosis>,
    /// When the certificate ends that the real server showed last. Boxed: most checks are without
    /// TLS.
    pub(crate) certificate_expiry: Option<Box<CertificateExpiry>>,
    /// Of its probes and its health.
    pub(crate) counters: Counters,
}

impl RealServerLive {
    pub(super) fn unknown(since: SystemTime) -> Self {
        Self {
            health: Health::Unknown,
            admin: AdminState::Enabled,
            decision: None,
            quiesced: None,
            since,
            drain_deadline: None,
            operator_weight: None,
            advised: None,
            desired: Weight::ZERO,
            kernel: None,
            connections: Connections::default(),
            statistics: ContinuousStatistics::default(),
            last_probe: None,
            watching: None,
            observation: Observation::default(),
            fix: None,
            diagnosis: None,
            certificate_expiry: None,
            counters: Counters::default(),
        }
    }

    /// A real server that nothing checks.
    pub(super) fn up(since: SystemTime) -> Self {
        Self {
            health: Health::Up,
            ..Self::unknown(since)
        }
    }

    /// The same real server where nothing checks it any longer: what probes saw is forgotten.
    pub(super) fn no_longer_checked(self, now: SystemTime) -> Self {
        let mut counters = self.counters;
        let comes_up = self.health != Health::Up;
        if comes_up {
            counters.count_transition(Health::Up, now);
        }
        Self {
            health: Health::Up,
            since: if comes_up { now } else { self.since },
            advised: None,
            last_probe: None,
            observation: Observation::default(),
            fix: None,
            diagnosis: None,
            certificate_expiry: None,
            counters,
            ..self
        }
    }
}

impl RealServerLive {
    /// What to do about what is wrong, if something is.
    pub(crate) fn suggested_fix(&self, subject: DiagnosisSubject) -> Option<DiagnosisFix> {
        let fix = self.diagnosis?.fix(subject)?;
        Some(fix.with_probe_fix(self.fix.clone()))
    }
}

/// The newest probe of a real server.
#[derive(Debug, Clone)]
pub(crate) struct LastProbe {
    pub(crate) at: SystemTime,
    pub(crate) result: ProbeResult,
    pub(crate) detail: String,
    pub(crate) duration: Duration,
}
