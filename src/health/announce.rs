//! What the log and those who are told of events learn from health.

use tracing::{info, warn};

use super::unmade::Told;
use super::{Health, Standing, Transition};
use crate::model::Weight;
use crate::notify::EventKind;
use crate::probe::Outcome;

/// Says why this host cannot probe, and when it can again.
pub(super) fn announce_unmade(service: &str, real_server: &str, told: &Told) {
    match told {
        Told::Cannot(reason) => warn!(
            service,
            real_server, "probes cannot be made: {reason}; no verdict changes for that"
        ),
        Told::Again(reason) => info!(
            service,
            real_server, "probes can be made again, which was not so: {reason}"
        ),
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
