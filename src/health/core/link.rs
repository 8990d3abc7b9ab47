//! What the director sees of its own link: a link that is down freezes the weights, and real
//! servers answer ARP for a VIP, or for their own address.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use super::Core;
use crate::config::OnArpConflict;
use crate::health::effect::Effect;
use crate::health::log_line::{Level, LogLine};
use crate::model::{ArpConflicts, FreezeReason};

impl Core {
    /// Freezes all weights while there is a reason to.
    pub(super) fn update_freeze(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut reasons = BTreeSet::new();
        reasons.extend(self.link.clone());
        reasons.extend(self.mass_failure.suspected().map(FreezeReason::Probes));
        reasons.extend(
            self.probe_errors
                .clock_is_wrong()
                .then_some(FreezeReason::Clock),
        );
        let Some(change) = self.freeze.set(reasons) else {
            return;
        };
        for reason in change.began {
            let why = match (&reason, &self.inventory.config().director.link) {
                (FreezeReason::NoInterface, Some(interface)) => {
                    format!("there is no interface `{interface}`")
                }
                (reason, _) => reason.to_string(),
            };
            effects.push(Effect::log(LogLine {
                reason: Some(why),
                fix: Some(reason.fix()),
                ..LogLine::new(Level::Warn, reason.what())
            }));
        }
        if change.clock_ended {
            let message = "the director's clock freezes no health any longer";
            effects.push(Effect::log(LogLine::new(Level::Info, message)));
        }
        effects.push(Effect::Frozen(change.reasons));
        let Some(frozen) = change.frozen else {
            return;
        };
        if !frozen {
            let message = "weights are frozen no longer: only probes that begin from now on count";
            effects.push(Effect::log(LogLine::new(Level::Info, message)));
        }
        for pool in &mut self.pools {
            pool.set_frozen(frozen, now);
        }
        for index in 0..self.pools.len() {
            self.recompute(index, None, now, effects);
        }
    }

    pub(super) fn on_arp_conflicts(
        &mut self,
        conflicts: ArpConflicts,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        self.arp_conflicts = conflicts;
        let ids: Vec<_> = self.inventory.ids().map(|(_, id)| id).collect();
        for id in ids {
            self.diagnose(id, now, effects);
        }
        for index in self.mark_arp_conflicts() {
            self.recompute(index, None, now, effects);
        }
    }

    /// Tells the pools which real servers answer for the VIP, if the configuration quiesces them.
    /// The answer is the services for which that has changed.
    pub(super) fn mark_arp_conflicts(&mut self) -> Vec<usize> {
        let quiesces = self.inventory.config().director.on_arp_conflict == OnArpConflict::Quiesce;
        let mut changed = Vec::new();
        let services = self.inventory.services().iter().zip(&mut self.pools);
        for (index, (service, pool)) in services.enumerate() {
            let Some(vip) = service.key.vip() else {
                continue;
            };
            let mut is_new = false;
            for (member, real_server) in service.real_servers.iter().enumerate() {
                let conflict =
                    quiesces && self.arp_conflicts.contains(&(vip, real_server.key.0.ip()));
                is_new |= pool.set_arp_conflict(member, conflict);
            }
            if is_new {
                changed.push(index);
            }
        }
        changed
    }

    pub(super) fn on_present(
        &mut self,
        present: BTreeSet<IpAddr>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let before = std::mem::replace(&mut self.present, present);
        let changed = |ip: &IpAddr| before.contains(ip) != self.present.contains(ip);
        let ids = self.inventory.ids();
        let ids = ids.filter(|((_, key), _)| changed(&key.0.ip()));
        let ids: Vec<_> = ids.map(|(_, id)| id).collect();
        for id in ids {
            self.diagnose(id, now, effects);
        }
    }
}
