//! The decisions of health: one function of state, input and time to effects. Pure.

mod diagnosis;
mod link;
mod operator;
mod previous_members;
mod reload;
mod report;
mod weights;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::announcer::Announcer;
use super::drains::DrainTracker;
use super::effect::Effect;
use super::freeze::Freeze;
use super::input::Input;
use super::inventory::Inventory;
use super::log_line::{Level, LogLine};
use super::mass_failure::MassFailureDetector;
use super::pool::Pool;
use super::probe_errors::ProbeErrorLog;
use super::probe_loops::ProbeLoops;
use super::symptoms::SymptomTable;
use super::timers::Timers;
use super::unresponsive::UnresponsiveHosts;
use crate::model::{ArpConflicts, FreezeReason, RealServerId};
use crate::probe::{ProbeId, ProbeRate};

/// A probe, and the real servers that it speaks of.
#[derive(Debug)]
struct Subscription {
    /// The number of the probe in [`MassFailureDetector`].
    index: u32,
    /// Where the real servers begin among all subscribers, and how many there are.
    first: u32,
    number: u32,
    /// The rate that was last asked for.
    rate: Option<ProbeRate>,
}

impl Subscription {
    /// The real servers of the probe.
    fn of<'a>(&self, subscribers: &'a [RealServerId]) -> &'a [RealServerId] {
        let (first, number) = (self.first as usize, self.number as usize);
        subscribers.get(first..first + number).unwrap_or_default()
    }
}

/// All that health knows.
pub(crate) struct Core {
    inventory: Inventory,
    /// By service, as [`RealServerId`] numbers them.
    pools: Vec<Pool>,
    /// Of each service, whether it serves without what left it, as was last said.
    replaced: Vec<bool>,
    symptoms: SymptomTable,
    timers: Timers,
    subscriptions: BTreeMap<ProbeId, Subscription>,
    /// The real servers of all probes, one probe after the other.
    subscribers: Arc<[RealServerId]>,
    mass_failure: MassFailureDetector,
    probe_loops: ProbeLoops,
    probe_errors: ProbeErrorLog,
    link: Option<FreezeReason>,
    freeze: Freeze,
    arp_conflicts: ArpConflicts,
    unresponsive: UnresponsiveHosts,
    present: BTreeSet<IpAddr>,
    drains: DrainTracker,
    announcer: Announcer,
}

impl Core {
    /// Decides on one input. No method else changes the state.
    pub(crate) fn handle(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::ProbeReport(report) => self.on_report(&report, now, &mut effects),
            Input::Link(reason) => {
                self.link = reason;
                self.update_freeze(now, &mut effects);
            }
            Input::ArpConflicts(conflicts) => self.on_arp_conflicts(conflicts, now, &mut effects),
            Input::HostsPresent(present) => self.on_present(present, now, &mut effects),
            Input::Loads(loads) => {
                let pools = &self.pools;
                let is_removed = |id: RealServerId| {
                    let pool = pools.get(id.service_index());
                    pool.is_some_and(|pool| pool.is_removed(id.real_server_index()))
                };
                let ended = self.drains.take_idle(&loads, is_removed);
                self.end_drains(ended, "no active connection is left", now, &mut effects);
            }
            Input::SetAdmin {
                real_servers,
                admin,
                deadline,
                decision,
            } => {
                for id in real_servers {
                    self.set_admin(id, (admin, deadline), &decision, now, &mut effects);
                }
            }
            Input::SetWeight {
                real_servers,
                weight,
                decision,
                is_new,
            } => {
                for id in real_servers {
                    self.set_weight(id, weight, (&decision, is_new), now, &mut effects);
                }
            }
            Input::Reload(configuration) => self.reload(configuration, now, &mut effects),
            Input::Tick => self.on_tick(now, &mut effects),
        }
        let unresponsive = self.unresponsive.take_changed();
        effects.extend(unresponsive.map(Effect::UnresponsiveHosts));
        let drains = self.drains.take_changed();
        effects.extend(drains.map(Effect::CountConnections));
        effects
    }

    /// When [`Input::Tick`] has something to do, at the latest. After a tick at `now` this is
    /// later than `now`.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.timers.next(),
            self.probe_errors.next_deadline(),
            self.announcer.next_deadline(),
            self.drains.next_deadline(),
            Some(self.probe_loops.next_check()),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Whether a real server of the virtual service gets new connections.
    pub(super) fn serves(&self, service: usize) -> bool {
        self.pools.get(service).is_some_and(Pool::serves)
    }

    fn on_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(index) = self.timers.take_due(now) {
            self.recompute(index, None, now, effects);
        }
        while let Some((probe, change)) = self.probe_errors.take_due(now) {
            self.log_probe_error(probe, change, None, effects);
        }
        effects.extend(self.announcer.take_due(now).map(Effect::log));
        self.check_probe_loops(now, effects);
        let ended = self.drains.take_overdue(now);
        self.end_drains(ended, "its deadline has passed", now, effects);
    }

    fn check_probe_loops(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(stuck) = self.probe_loops.check(now) else {
            return;
        };
        if let Some((probe, silence)) = stuck.new
            && let Some(first) = self.first_subscriber(probe)
            && let Some(names) = self.inventory.names(first)
        {
            effects.push(Effect::log(LogLine {
                number: Some(stuck.number),
                silent_for: Some(silence),
                ..names.line(
                    Level::Error,
                    "a probe has not reported: its task has ended or hangs, and the health of its \
                     real servers stays as it is; the watchdog is left to restart the agent",
                )
            }));
        }
        if stuck.number == 0 {
            effects.push(Effect::ProbesAlive);
        }
    }

    fn first_subscriber(&self, probe: ProbeId) -> Option<RealServerId> {
        let subscription = self.subscriptions.get(&probe)?;
        subscription.of(&self.subscribers).first().copied()
    }
}

#[cfg(test)]
mod tests;
