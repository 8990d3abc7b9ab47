//! What is known of real servers beside their health: what probes saw, and what is wrong. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inventory::Inventory;
use crate::diagnosis::{DiagnosisFix, DiagnosisSubject, Fix, Observation};
use crate::model::{Diagnosis, Health, Quiesced, RealServerId};
use crate::probe::Outcome;

/// The symptoms of one real server.
#[derive(Debug, Clone, Default)]
pub(super) struct Symptoms {
    pub(super) observation: Observation,
    /// What the probe of `observation` has found to be done, if it failed.
    pub(super) fix: Option<Arc<Fix>>,
    pub(super) diagnosis: Option<Diagnosis>,
    /// The diagnosis that the log last had.
    logged: Option<Diagnosis>,
    /// Why the weight was last 0 though the real server may serve.
    pub(super) quiesced: Option<Quiesced>,
}

/// What the director's own link and state say of a real server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) arp_conflict: bool,
    /// The host answers ARP for its own address.
    pub(super) present: bool,
    /// While weights are frozen, the director is at fault and no real server is blamed.
    pub(super) frozen: bool,
}

impl Symptoms {
    /// What is known of a real server whose probe has also shown `other`.
    pub(super) fn learned(other: &Self) -> Self {
        Self {
            observation: other.observation,
            diagnosis: other.diagnosis,
            logged: other.logged,
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, outcome: &Outcome) {
        if self.observation.note(outcome.plain, outcome.vip) {
            self.fix.clone_from(&outcome.fix);
        }
    }

    /// Whether the newest probe had no answer at all.
    pub(super) fn is_unresponsive(&self) -> bool {
        let found = Diagnosis::of(self.observation.plain, self.observation.vip, false, false);
        found == Some(Diagnosis::Unreachable)
    }

    /// Concludes what is wrong. The answer is a diagnosis that is to be logged: that of a real
    /// server that is down already, for a reason other than the one logged with its transition.
    /// A diagnosis that only one probe supports is not logged.
    pub(super) fn diagnose(
        &mut self,
        health: Health,
        circumstances: Circumstances,
    ) -> Option<Diagnosis> {
        let Circumstances {
            arp_conflict,
            present,
            frozen,
        } = circumstances;
        let after = Diagnosis::of(
            self.observation.plain,
            self.observation.vip,
            arp_conflict,
            present,
        );
        let before = std::mem::replace(&mut self.diagnosis, after);
        if frozen || health != Health::Down || before != after || self.logged == after {
            return None;
        }
        let logged =
            after.filter(|after| !matches!(after, Diagnosis::Ok | Diagnosis::Unverified))?;
        self.logged = Some(logged);
        Some(logged)
    }

    /// Notes that the line of a transition has the diagnosis.
    pub(super) fn transition(&mut self, to: Health) {
        self.logged = self.diagnosis.filter(|_| to == Health::Down);
    }

    /// What to do about what is wrong.
    pub(super) fn suggested_fix(&self, subject: DiagnosisSubject) -> Option<DiagnosisFix> {
        Some(
            self.diagnosis?
                .fix(subject)?
                .with_probe_fix(self.fix.clone()),
        )
    }
}

/// The symptoms of all real servers of a configuration. The index of a sorry server is after that
/// of the last real server of its service.
#[derive(Debug)]
pub(super) struct SymptomTable(Vec<Vec<Symptoms>>);

impl SymptomTable {
    /// Nothing is known of any real server.
    pub(super) fn new(inventory: &Inventory) -> Self {
        let services = inventory.services().iter();
        let symptoms = services.map(|service| vec![Symptoms::default(); service.members().count()]);
        Self(symptoms.collect())
    }

    /// The table of another configuration, with what is known of the real servers of both. What
    /// probes saw of a real server that is no longer checked is forgotten.
    pub(super) fn carried_over(&self, before: &Inventory, after: &Inventory) -> Self {
        let services = before.services().iter().zip(&self.0);
        let known: BTreeMap<_, _> = services
            .map(|(service, symptoms)| (service.key, (service, symptoms)))
            .collect();
        let services = after.services().iter().map(|service| {
            let known = known.get(&service.key);
            let known = known.into_iter().flat_map(|(service, symptoms)| {
                let members = service.members().map(|member| member.key);
                members.zip(*symptoms)
            });
            let known: BTreeMap<_, _> = known.collect();
            let symptoms = service
                .members()
                .map(|member| match known.get(&member.key) {
                    None => Symptoms::default(),
                    Some(before) if member.check.kind.asks() => (*before).clone(),
                    Some(before) => Symptoms {
                        quiesced: before.quiesced,
                        ..Symptoms::default()
                    },
                });
            symptoms.collect()
        });
        Self(services.collect())
    }

    pub(super) fn get(&self, id: RealServerId) -> Option<&Symptoms> {
        self.0.get(id.service_index())?.get(id.real_server_index())
    }

    pub(super) fn get_mut(&mut self, id: RealServerId) -> Option<&mut Symptoms> {
        let service = self.0.get_mut(id.service_index())?;
        service.get_mut(id.real_server_index())
    }

    /// The symptoms of the real servers of one service.
    pub(super) fn of_service_mut(&mut self, service: usize) -> &mut [Symptoms] {
        self.0.get_mut(service).map_or(&mut [], Vec::as_mut_slice)
    }
}
