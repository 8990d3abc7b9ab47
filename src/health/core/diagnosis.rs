//! What is wrong with one real server, from all that is known of it.

use std::time::Instant;

use super::Core;
use crate::health::Machine;
use crate::health::effect::{Effect, RealServerChange};
use crate::health::symptoms::Circumstances;
use crate::model::{Health, RealServerId};

impl Core {
    pub(super) fn diagnose(&mut self, id: RealServerId, now: Instant, effects: &mut Vec<Effect>) {
        let (Some((service, key)), Some(pool)) =
            (self.inventory.key(id), self.pools.get(id.service_index()))
        else {
            return;
        };
        let machine = pool.machine(id.real_server_index());
        let health = machine.map_or(Health::Unknown, Machine::health);
        let (vip, rip) = (service.vip(), key.0.ip());
        let circumstances = Circumstances {
            arp_conflict: vip.is_some_and(|vip| self.arp_conflicts.contains(&(vip, rip))),
            present: self.present.contains(&rip),
            frozen: self.freeze.is_frozen(),
        };
        let subject = self.inventory.subject(id);
        let Some(symptoms) = self.symptoms.get_mut(id) else {
            return;
        };
        let before = symptoms.diagnosis;
        let to_log = symptoms.diagnose(health, circumstances);
        if symptoms.diagnosis != before {
            let change = RealServerChange::Diagnosis(symptoms.diagnosis);
            effects.push(Effect::RealServer(id, change));
        }
        let (Some(diagnosis), Some(subject)) = (to_log, subject) else {
            return;
        };
        let fix = symptoms.suggested_fix(subject);
        let Some(names) = self.inventory.names(id) else {
            return;
        };
        let announcer = &mut self.announcer;
        let line = announcer.other_diagnosis(names, diagnosis, fix.as_ref(), now);
        effects.extend(line.map(Effect::log));
    }

    pub(super) fn note_unresponsive(&mut self, id: RealServerId) {
        if let (Some((_, key)), Some(symptoms)) = (self.inventory.key(id), self.symptoms.get(id)) {
            let unresponsive = symptoms.is_unresponsive();
            self.unresponsive.set(key.0.ip(), id, unresponsive);
        }
    }
}
