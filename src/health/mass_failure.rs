//! Detects that most real servers fail at once, which is more likely a fault of the director. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::diagnosis::PathResult;
use crate::model::{MassFailure, ProbeResult, Reached, RealServerId};
use crate::probe::{Outcome, ProbeTarget};

/// Fewer probes than this prove nothing about the director.
const FEWEST: usize = 4;

/// Finds out when it is more likely the director that has a fault than all of
/// its real servers at once.
///
/// A mass failure is assumed when at least three quarters of the probes that passed before
/// have begun to fail within one interval of theirs (and one time-out), when
/// that hits half of the probes of at least two virtual services that share no
/// real server, and when no sorry server passes: a sorry server that answers shows that the
/// director can probe. It is over when half of them pass again.
///
/// With `fall: 1`, the transition comes before the detection.
#[derive(Debug)]
pub(crate) struct MassFailureDetector {
    probes: Vec<Probe>,
    groups: Vec<Tally>,
    all: Tally,
    sorry_passing: usize,
    /// Probes that began to fail, by when that becomes old news.
    sudden: BTreeSet<(Instant, usize)>,
    suspected: Option<MassFailure>,
}

#[derive(Debug)]
struct Probe {
    group: usize,
    of_sorry_server: bool,
    memory: Duration,
    state: ProbeState,
    /// A reload changed the check, and the probe has not passed since.
    is_changed: bool,
    /// How the newest failed probe failed.
    failed: (ProbeResult, Reached),
}

/// The probe of the same real servers before a reload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PreviousProbe {
    /// Its number.
    pub(crate) index: usize,
    /// Whether it asked the same.
    pub(crate) asks_same: bool,
}

/// What a probe's newest outcome says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeState {
    /// Nothing, or that it failed long ago.
    Silent,
    Passing,
    /// The probe failed after it had passed; old news at this instant.
    Sudden(Instant),
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    passing: usize,
    sudden: usize,
}

impl MassFailureDetector {
    /// `is_sorry` selects the sorry servers. `served` selects the real servers that have a weight:
    /// they count as passing until their probes show something else.
    /// `changed` says of each probe whether a reload changed the check of its real servers.
    pub(crate) fn new(
        targets: &[&ProbeTarget],
        is_sorry: impl Fn(RealServerId) -> bool,
        served: impl Fn(RealServerId) -> bool,
        changed: impl Fn(usize) -> bool,
    ) -> Self {
        let groups = groups(targets, &is_sorry);
        let count = groups.iter().max().map_or(0, |last| last + 1);
        let probes = targets.iter().zip(groups).enumerate();
        let probes = probes.map(|(index, (target, group))| Probe {
            group,
            of_sorry_server: target.subscribers.iter().any(|id| is_sorry(*id)),
            memory: target.spec.check.interval + target.spec.check.timeout,
            state: ProbeState::Silent,
            is_changed: changed(index),
            failed: (ProbeResult::Timeout, Reached::Nobody),
        });
        let mut new = Self {
            probes: probes.collect(),
            groups: vec![Tally::default(); count],
            all: Tally::default(),
            sorry_passing: 0,
            sudden: BTreeSet::new(),
            suspected: None,
        };
        for (probe, target) in targets.iter().enumerate() {
            if target.subscribers.iter().any(|id| served(*id)) {
                new.set(probe, ProbeState::Passing);
            }
        }
        new
    }

    /// Whether a fault of the director's own is suspected, and what was seen when the suspicion began.
    pub(crate) fn suspected(&self) -> Option<MassFailure> {
        self.suspected.clone()
    }

    /// Takes over what `before` knows of the probes of the same real servers before a reload.
    /// `previous` has the place of each of them in `before`. A suspicion stays until half of the
    /// probes pass: a reload is no reason to believe failures that were not believed, also not of
    /// a probe that asks something else from then on.
    pub(crate) fn take_over(
        &mut self,
        before: &Self,
        previous: impl Fn(usize) -> Option<PreviousProbe>,
    ) {
        for probe in 0..self.probes.len() {
            let Some(PreviousProbe { index, asks_same }) = previous(probe) else {
                continue;
            };
            let (Some(known), Some(found)) = (before.probes.get(index), self.probes.get_mut(probe))
            else {
                continue;
            };
            if asks_same {
                found.is_changed = known.is_changed;
            } else if before.suspected.is_none() || !matches!(known.state, ProbeState::Sudden(_)) {
                continue;
            }
            found.failed = known.failed;
            self.set(probe, known.state);
        }
        self.suspected = before.suspected();
        self.end_if_over();
    }

    /// Takes the newest outcome of the probe at this place.
    pub(crate) fn on_outcome(&mut self, probe: usize, outcome: &Outcome, now: Instant) {
        let Some(passed) = outcome.result.evidence() else {
            return;
        };
        self.forget(now);
        let Some(found) = self.probes.get_mut(probe) else {
            return;
        };
        if passed {
            found.is_changed = false;
        } else {
            found.failed = (outcome.result, reached(outcome));
        }
        let state = match (found.state, passed) {
            (_, true) => ProbeState::Passing,
            (ProbeState::Passing, false) => ProbeState::Sudden(now + found.memory),
            (state @ (ProbeState::Silent | ProbeState::Sudden(_)), false) => state,
        };
        if state != found.state {
            self.set(probe, state);
            if self.suspected.is_some() {
                self.end_if_over();
            } else {
                self.suspected = self.suspect(outcome);
            }
        }
    }

    /// While a fault is suspected, time does not make failures the real
    /// servers' own: the probes have to say so.
    fn forget(&mut self, now: Instant) {
        while self.suspected.is_none()
            && let Some((due, probe)) = self.sudden.first().copied()
            && due <= now
        {
            self.set(probe, ProbeState::Silent);
        }
    }

    fn set(&mut self, probe: usize, state: ProbeState) {
        let Some(found) = self.probes.get_mut(probe) else {
            return;
        };
        let before = std::mem::replace(&mut found.state, state);
        let of_sorry_server = found.of_sorry_server;
        for tally in self
            .groups
            .get_mut(found.group)
            .into_iter()
            .chain([&mut self.all])
        {
            tally.leave(before);
            tally.enter(state);
        }
        if of_sorry_server {
            self.sorry_passing -= usize::from(before == ProbeState::Passing);
            self.sorry_passing += usize::from(state == ProbeState::Passing);
        }
        if let ProbeState::Sudden(due) = before {
            self.sudden.remove(&(due, probe));
        }
        if let ProbeState::Sudden(due) = state {
            self.sudden.insert((due, probe));
        }
    }

    /// Ends a suspicion when half of the probes pass, or a sorry server does.
    fn end_if_over(&mut self) {
        let Tally { passing, sudden } = self.all;
        if self.suspected.is_some() && (sudden <= passing || self.sorry_passing > 0) {
            self.suspected = None;
            // Probes that still fail must have a reason of their own.
            while let Some((_, probe)) = self.sudden.first().copied() {
                self.set(probe, ProbeState::Silent);
            }
        }
    }

    /// The mass failure that begins with the `newest` outcome, if there is one.
    fn suspect(&self, newest: &Outcome) -> Option<MassFailure> {
        let Tally { passing, sudden } = self.all;
        let most = sudden + passing >= FEWEST && sudden >= 3 * passing;
        let hit = self.groups.iter().filter(|group| group.is_hit());
        let begins = most && self.sorry_passing == 0 && hit.take(2).count() == 2;
        begins.then(|| self.summary(newest)).flatten()
    }

    /// What the probes that began to fail have in common.
    fn summary(&self, newest: &Outcome) -> Option<MassFailure> {
        let mut numbers: BTreeMap<(ProbeResult, Reached), usize> = BTreeMap::new();
        let mut changed = 0;
        for (_, probe) in &self.sudden {
            let probe = self.probes.get(*probe)?;
            *numbers.entry(probe.failed).or_default() += 1;
            changed += usize::from(probe.is_changed);
        }
        let failing = self.sudden.len();
        let most = numbers.into_iter().max_by_key(|(_, number)| *number);
        let example = |of| {
            let is_one = of == (newest.result, reached(newest));
            is_one.then(|| Arc::from(newest.detail.as_str()))
        };
        most.map(|((result, reached), with_result)| MassFailure {
            example: example((result, reached)),
            result,
            reached,
            with_result,
            failing,
            check_changed: changed * 2 > failing,
        })
    }
}

impl Tally {
    fn enter(&mut self, state: ProbeState) {
        match state {
            ProbeState::Silent => {}
            ProbeState::Passing => self.passing += 1,
            ProbeState::Sudden(_) => self.sudden += 1,
        }
    }

    fn leave(&mut self, state: ProbeState) {
        match state {
            ProbeState::Silent => {}
            ProbeState::Passing => self.passing -= 1,
            ProbeState::Sudden(_) => self.sudden -= 1,
        }
    }

    fn is_hit(self) -> bool {
        self.sudden > 0 && self.sudden >= self.passing
    }
}

/// What a failed probe reached, through the VIP if the probe went there.
fn reached(outcome: &Outcome) -> Reached {
    match outcome.vip.or(outcome.plain) {
        Some(PathResult::Passed | PathResult::WrongAnswer | PathResult::Reported(_)) => {
            Reached::Server
        }
        Some(PathResult::Refused) => Reached::Host,
        Some(
            PathResult::NoReply
            | PathResult::NoDatagramReply
            | PathResult::Filtered
            | PathResult::NoNeighbour
            | PathResult::Unknown,
        )
        | None => Reached::Nobody,
    }
}

/// By probe, the number of its group: virtual services that share a real
/// server's address are of one group. A sorry server for all makes no group.
fn groups(targets: &[&ProbeTarget], is_sorry: impl Fn(RealServerId) -> bool) -> Vec<usize> {
    let services = targets
        .iter()
        .flat_map(|target| &target.subscribers)
        .map(|id| id.service_index() + 1)
        .max()
        .unwrap_or_default();
    let mut parents: Vec<usize> = (0..services).collect();
    let mut first_of: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for target in targets {
        for id in target.subscribers.iter().filter(|id| !is_sorry(**id)) {
            let service = id.service_index();
            let first = *first_of.entry(target.spec.target.ip()).or_insert(service);
            let (one, other) = (root(&mut parents, first), root(&mut parents, service));
            if let Some(parent) = parents.get_mut(one.max(other)) {
                *parent = one.min(other);
            }
        }
    }
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let group = |target: &&ProbeTarget| {
        let service = target
            .subscribers
            .first()
            .map_or(0, |id| id.service_index());
        let root = root(&mut parents, service);
        let next = numbers.len();
        *numbers.entry(root).or_insert(next)
    };
    targets.iter().map(group).collect()
}

/// The smallest service of the group, with the way there made short.
fn root(parents: &mut [usize], service: usize) -> usize {
    let mut at = service;
    while let Some(&parent) = parents.get(at)
        && parent != at
    {
        let grandparent = parents.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = parents.get_mut(at) {
            *slot = grandparent;
        }
        at = grandparent;
    }
    at
}

#[cfg(test)]
mod tests;
