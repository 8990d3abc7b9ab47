//! What the log and those who are told of events learn from health.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::{Health, Standing, Transition};
use crate::model::Weight;
use crate::notify::EventKind;
use crate::probe::{Outcome, ProbeId, Report};

/// Says when this host stops to be able to probe, and when it is able again:
/// until then, no verdict changes, and that is not to go unseen.
pub(super) fn note_unmade(unmade: &mut BTreeSet<ProbeId>, report: &Report) {
    if report.outcome.result.evidence().is_none() {
        if unmade.is_empty() {
            warn!(
                "probes cannot be made: {}; no verdict changes for that",
                report.outcome.detail
            );
        }
        unmade.insert(report.probe);
    } else if unmade.remove(&report.probe) && unmade.is_empty() {
        info!("probes can be made again");
    }
}

/// Why the verdict changed.
pub(super) fn reason(transition: Transition, outcome: &Outcome) -> String {
    let row = match transition.outcomes {
        1 => "1 probe".to_owned(),
        outcomes => format!("{outcomes} probes in a row"),
    };
    match transition.to {
        Health::Down => format!("{row} failed, the last with: {}", outcome.detail),
        Health::Up | Health::Unknown => format!("{row} passed"),
    }
}

pub(super) fn announce_standing(service: &str, before: Standing, after: Standing) {
    match (before.quorum_met, after.quorum_met) {
        (true, false) => warn!(service, "quorum lost"),
        (false, true) => info!(service, "quorum met again"),
        (true, true) | (false, false) => {}
    }
    match (before.sorry_serves, after.sorry_serves) {
        (false, true) => warn!(service, "the sorry server serves"),
        (true, false) => info!(service, "the sorry server serves no longer"),
        (true, true) | (false, false) => {}
    }
    match (before.fail_open, after.fail_open) {
        (false, true) => warn!(
            service,
            "failing open: too few real servers are up, so those that fail serve, too"
        ),
        (true, false) => info!(service, "failing open no longer"),
        (true, true) | (false, false) => {}
    }
}

/// What a change of a pool's standing is to those who are told of events.
pub(super) fn standing_events(
    before: Standing,
    after: Standing,
) -> impl Iterator<Item = (EventKind, &'static str)> {
    let quorum = match (before.quorum_met, after.quorum_met) {
        (true, false) => Some((EventKind::QuorumLost, "too little weight is up")),
        (false, true) => Some((EventKind::QuorumGained, "enough weight is up")),
        (true, true) | (false, false) => None,
    };
    let fail_open = match (before.fail_open, after.fail_open) {
        (false, true) => Some((
            EventKind::FailOpenStarted,
            "failing real servers serve, too",
        )),
        (true, false) => Some((EventKind::FailOpenEnded, "the checks decide again")),
        (true, true) | (false, false) => None,
    };
    quorum.into_iter().chain(fail_open)
}

pub(super) fn announce(
    service: &str,
    real_server: &str,
    transition: Transition,
    weight: Weight,
    reason: &str,
) {
    let Transition { from, to, .. } = transition;
    match to {
        Health::Down => {
            warn!(service, real_server, %from, %weight, "real server down: {reason}");
        }
        Health::Up | Health::Unknown => {
            info!(service, real_server, %from, %weight, "real server up: {reason}");
        }
    }
}
