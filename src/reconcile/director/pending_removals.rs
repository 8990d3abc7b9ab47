//! Real servers that left the configuration: their connections are read every second, until
//! `plan::pending_removal` says that the real servers can be removed.

use std::collections::{BTreeMap, BTreeSet};

use tracing::info;

use super::DirectorLoop;
use crate::config::{Director, DirectorRemoval};
use crate::kernel::Ipvs;
use crate::model::{
    Condition, ConditionType, DrainRule, MemberKey, RealServerKey, ServiceKey, Severity, Weight,
};
use crate::plan::State;
use crate::plan::pending_removal::{
    self, PendingRemoval, RemovalFacts, RemovalProgress, RemovalStep,
};
use crate::reconcile::{ChangeCause, Reconciler, Writing};
use crate::runtime::clock;
use crate::runtime::log_limit::LINES_AT_ONCE;
use crate::status::{LeavingRecord, Snapshot};

/// The real servers that are leaving.
pub(super) type RemovalsInProgress = BTreeMap<MemberKey, RemovalProgress>;

impl<T: Ipvs> Reconciler<T> {
    /// Decides what becomes of what the table has and is not configured.
    /// `before` has the names that it had; what it does not name is called as
    /// the kernel knows it.
    pub(in crate::reconcile) fn note_leaving(
        &mut self,
        section: &Director,
        configured: &State,
        observed: &State,
        before: &Snapshot,
    ) {
        let leaving = &mut self.ownership.owned.leaving;
        let deadline = clock::wall() + section.removal_deadline;
        let services = before.services.iter();
        let services = services.map(|service| (service.key, &*service.name));
        let services: BTreeMap<_, _> = services.collect();
        let real_servers = before.services.iter().flat_map(|service| {
            let records = service.records();
            records.map(|record| ((service.key, record.key), &*record.name))
        });
        let real_servers: BTreeMap<_, _> = real_servers.collect();
        pending_removal::note(leaving, configured, observed, |service, real_server| {
            let name = real_servers.get(&(*service, *real_server));
            PendingRemoval {
                service: services
                    .get(service)
                    .map_or_else(|| service.to_string(), |name| (*name).to_owned()),
                real_server: name
                    .map_or_else(|| real_server.to_string(), |name| (*name).to_owned()),
                deadline,
                has_weight: observed
                    .weight(service, real_server)
                    .is_some_and(|weight| weight != Weight::ZERO),
            }
        });
        // Nobody but the agent has connections by the marks of probes.
        let mark_registry = &self.mark_registry;
        leaving.retain(|(service, _), _| !mark_registry.owns(service));
        if section.on_removal == DirectorRemoval::Remove {
            leaving.retain(|(service, _), removal| {
                removal.has_weight && configured.services.contains_key(service)
            });
        }
    }

    /// What is no longer configured and serves on, a sentence each.
    pub(crate) fn notes_of_leaving(&self) -> Vec<String> {
        let serves = self
            .ownership
            .owned
            .leaving
            .iter()
            .filter(|((service, _), removal)| {
                removal.has_weight && self.unreplaced.contains_key(service)
            });
        let notes = serves.map(|((service, real_server), _)| {
            format!(
                "{real_server} of {service}: no longer configured, and keeps its weight until each \
                 real server has a verdict and one serves"
            )
        });
        notes.collect()
    }

    /// Raises that these real servers serve on though they were to be removed by now.
    fn update_overdue(&self, overdue: &BTreeSet<MemberKey>) {
        let leaving = overdue
            .iter()
            .filter_map(|key| self.ownership.owned.leaving.get(key));
        let conditions = leaving.map(|removal| Condition {
            kind: ConditionType::RemovalOverdue,
            subject: format!("{}/{}", removal.service, removal.real_server),
            severity: Severity::Warning,
            message: "the real server is no longer configured, and serves beyond \
                      `removal_deadline`: no configured real server of its service serves"
                .to_owned(),
            fix: "return a configured real server to health, or remove the service".to_owned(),
            since: clock::wall(),
        });
        let kinds = [ConditionType::RemovalOverdue];
        self.snapshot.conditions.replace(&kinds, conditions);
    }

    /// Whether a real server is one to have no weight while what is leaving
    /// serves: the sorry server.
    pub(super) fn is_held_back(&self, service: &ServiceKey, real_server: &RealServerKey) -> bool {
        self.unreplaced.get(service) == Some(&Some(*real_server))
            && pending_removal::serves(&self.ownership.owned.leaving, &self.unreplaced, service)
    }
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Keeps a watch on all that is leaving, and on nothing else. A deadline
    /// that an earlier process set is as far away as the wall clock says, but
    /// no further than a new one.
    pub(super) fn watch_leaving(&mut self) {
        let leaving = &self.reconciler.ownership.owned.leaving;
        self.removals.retain(|key, _| leaving.contains_key(key));
        let longest = self.section.removal_deadline;
        for (key, removal) in leaving {
            self.removals.entry(*key).or_insert_with(|| {
                let left = removal.deadline.duration_since(clock::wall());
                let left = left.unwrap_or_default().min(longest);
                RemovalProgress::new(clock::monotonic() + left)
            });
        }
        self.show_leaving();
    }

    /// Notes of which services what is configured serves by itself by now.
    pub(super) fn update_unreplaced(&mut self) {
        let services = self.reconciler.snapshot.services.iter();
        let unreplaced = services.filter(|service| !self.weight_updates.is_replaced(&service.key));
        let unreplaced = unreplaced.map(|service| {
            let sorry_server = service.sorry_server.as_deref();
            (service.key, sorry_server.map(|record| record.key))
        });
        self.reconciler.unreplaced = unreplaced.collect();
    }

    /// Reads the connections of what is leaving, asks [`RemovalProgress::next_step`] what is due,
    /// and carries that out.
    pub(super) async fn check_pending_removals(&mut self) {
        let mut overdue = BTreeSet::new();
        if self.removals.is_empty() || self.reconciler.writing == Writing::DryRun {
            return self.reconciler.update_overdue(&overdue);
        }
        self.update_unreplaced();
        let mut over = BTreeMap::new();
        let mut quiesced = BTreeSet::new();
        let mut seen = None;
        let mut table = None;
        let mut others_have_weight = false;
        for (key, progress) in &mut self.removals {
            let (service, real_server) = key;
            if seen != Some(*service) {
                seen = Some(*service);
                // What cannot be read is read again in a second; its time may be up by then.
                table = self.reconciler.kernel.ipvs.destinations(service).await.ok();
                others_have_weight = has_weight(&self.desired, service);
            }
            let observed = table.as_ref().and_then(|table| table.get(real_server));
            if let Some(observed) = observed {
                progress.connections = observed.connections;
            }
            let removal = self.reconciler.ownership.owned.leaving.get(key);
            let facts = RemovalFacts {
                rule: DrainRule::of(*service),
                on_removal: self.section.on_removal,
                has_weight: observed.map_or_else(
                    || removal.is_some_and(|removal| removal.has_weight),
                    |observed| observed.destination.weight != Weight::ZERO,
                ),
                is_replaced: !self.reconciler.unreplaced.contains_key(service),
                others_have_weight,
            };
            match progress.next_step(facts, clock::monotonic()) {
                RemovalStep::Wait => {}
                RemovalStep::Overdue => {
                    overdue.insert(*key);
                }
                RemovalStep::Quiesce => {
                    quiesced.insert(*service);
                }
                RemovalStep::Remove(reason) => {
                    over.insert(*key, reason);
                }
            }
        }
        self.reconciler.update_overdue(&overdue);
        self.show_leaving();
        if over.is_empty() && quiesced.is_empty() {
            return;
        }
        // The pass below keeps the weights of what is leaving in a service that is unreplaced.
        let unreplaced = &mut self.reconciler.unreplaced;
        unreplaced.retain(|service, _| !quiesced.contains(service));
        let one_by_one = over.len() <= LINES_AT_ONCE;
        for (key, reason) in &over {
            if let Some(removal) = self.reconciler.ownership.owned.leaving.remove(key) {
                let active = self.removals.get(key).map(|d| d.connections.active);
                if one_by_one {
                    info!(
                        service = removal.service,
                        real_server = removal.real_server,
                        active,
                        "removed, as it is no longer configured: {}",
                        reason.as_str()
                    );
                }
            }
        }
        if !one_by_one {
            info!(
                number = over.len(),
                "removed, as they are no longer configured"
            );
        }
        // What stands in the way is shown and said by then, and tried again.
        let _ = self.full_pass(ChangeCause::Wanted).await;
    }

    fn show_leaving(&self) {
        let leaving = self.reconciler.ownership.owned.leaving.iter();
        let records = leaving.map(|((service, real_server), removal)| {
            let progress = self.removals.get(&(*service, *real_server));
            LeavingRecord {
                service: removal.service.clone(),
                service_key: *service,
                real_server: removal.real_server.clone(),
                key: *real_server,
                connections: progress.map(|d| d.connections).unwrap_or_default(),
                deadline: removal.deadline,
                serves: removal.has_weight && self.reconciler.unreplaced.contains_key(service),
            }
        });
        *self.reconciler.snapshot.leaving.lock() = records.collect();
    }
}

/// Whether anything of a service is to have a weight.
fn has_weight(desired: &State, service: &ServiceKey) -> bool {
    let state = desired.services.get(service);
    state.is_some_and(|state| {
        let mut destinations = state.destinations.values();
        destinations.any(|destination| destination.weight != Weight::ZERO)
    })
}
