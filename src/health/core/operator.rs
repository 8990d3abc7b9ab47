//! What operators decide on real servers, and the end of drains.

use std::time::Instant;

use super::Core;
use crate::health::effect::{Effect, RealServerChange};
use crate::health::input::DrainDeadline;
use crate::model::{AdminState, Decision, OperatorWeight, RealServerId, SetWeight};
use crate::notify::EventKind;

impl Core {
    pub(super) fn set_admin(
        &mut self,
        id: RealServerId,
        (admin, deadline): (AdminState, DrainDeadline),
        decision: &Decision,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (Some(key), Some(names), Some(pool)) = (
            self.inventory.key(id),
            self.inventory.names(id),
            self.pools.get_mut(id.service_index()),
        ) else {
            return;
        };
        pool.set_admin(id.real_server_index(), admin);
        let is_draining = admin == AdminState::Draining;
        let change = RealServerChange::Admin {
            admin,
            deadline: is_draining.then_some(deadline.at),
            decision: Box::new(decision.clone()),
        };
        effects.push(Effect::RealServer(id, change));
        let line = self.announcer.admin(names, admin, decision, now);
        effects.extend(line.map(Effect::log));
        self.recompute(id.service_index(), None, now, effects);
        if is_draining {
            self.drains.begin(id, key, deadline, decision.clone(), now);
        } else {
            self.drains.cancel(id);
        }
    }

    /// `why` goes into the event.
    pub(super) fn end_drains(
        &mut self,
        ended: Vec<(RealServerId, Decision)>,
        why: &str,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        for (id, decision) in ended {
            let (Some(names), Some(pool)) = (
                self.inventory.names(id),
                self.pools.get_mut(id.service_index()),
            ) else {
                continue;
            };
            pool.set_admin(id.real_server_index(), AdminState::Drained);
            let line = self
                .announcer
                .admin(names, AdminState::Drained, &decision, now);
            let detail = match decision.by_and_reason() {
                by if by.is_empty() => why.to_owned(),
                by => format!("{why}; drained{by}"),
            };
            let change = RealServerChange::Admin {
                admin: AdminState::Drained,
                deadline: None,
                decision: Box::new(decision),
            };
            effects.push(Effect::RealServer(id, change));
            effects.extend(line.map(Effect::log));
            effects.push(Effect::RealServerEvent(
                EventKind::RealServerDrained,
                id,
                detail,
            ));
        }
    }

    /// A weight that an earlier process knew is shown and logged, and no event.
    pub(super) fn set_weight(
        &mut self,
        id: RealServerId,
        set: Option<SetWeight>,
        (decision, is_new): (&Decision, bool),
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let (service, member) = (id.service_index(), id.real_server_index());
        let (Some(names), Some(pool)) = (self.inventory.names(id), self.pools.get_mut(service))
        else {
            return;
        };
        let Some(weight) = pool.set_weight(member, set) else {
            return;
        };
        let shown = set.map(|set| OperatorWeight {
            set,
            decision: decision.clone(),
        });
        let change = RealServerChange::OperatorWeight(shown.map(Box::new));
        effects.push(Effect::RealServer(id, change));
        let is_set = set.is_some();
        let announcer = &mut self.announcer;
        let line = announcer.operator_weight(names, weight, is_set, decision, now);
        effects.extend(line.map(Effect::log));
        if is_new {
            let by = decision.by_and_reason();
            let detail = match set {
                Some(set) => format!("weight set to {set}{by}"),
                None => format!("weight reset to the configured one{by}"),
            };
            let kind = EventKind::RealServerWeightSet;
            effects.push(Effect::RealServerEvent(kind, id, detail));
        }
        self.recompute(service, None, now, effects);
    }
}
