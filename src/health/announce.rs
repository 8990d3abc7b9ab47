//! What the log and those who are told of events learn from health.

use std::num::NonZeroU16;

use tracing::{info, warn};

use super::Transition;
use super::line_kind::LineKind;
use super::unmade::Told;
use crate::model::{Diagnosis, Health, PoolStatus, Weight};
use crate::notify::EventKind;
use crate::probe::Outcome;
use crate::runtime::bursts::Summary;

/// Says why this host cannot probe, and when it can again.
pub(super) fn announce_unmade(service: &str, real_server: &str, told: &Told, fix: Option<&str>) {
    match told {
        Told::Cannot(reason) => warn!(
            service,
            real_server, fix, "probes cannot be made: {reason}; no verdict changes for that"
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

/// What the log says of a change of a pool's standing.
pub(super) fn standing_lines(
    before: PoolStatus,
    after: PoolStatus,
) -> impl Iterator<Item = LineKind> {
    let line = |before: bool, after: bool, begun, ended| match (before, after) {
        (false, true) => Some(begun),
        (true, false) => Some(ended),
        (true, true) | (false, false) => None,
    };
    let quorum = line(
        before.quorum_met,
        after.quorum_met,
        LineKind::QuorumMet,
        LineKind::QuorumLost,
    );
    let sorry_server = line(
        before.sorry_serves,
        after.sorry_serves,
        LineKind::SorryServerServes,
        LineKind::SorryServerServesNoLonger,
    );
    let fail_open = line(
        before.fail_open,
        after.fail_open,
        LineKind::FailOpen,
        LineKind::FailOpenNoLonger,
    );
    quorum.into_iter().chain(sorry_server).chain(fail_open)
}

/// Says how the pool of one service stands now.
pub(super) fn announce_standing(service: &str, kind: LineKind) {
    match kind {
        LineKind::QuorumLost => warn!(service, "quorum lost"),
        LineKind::SorryServerServes => warn!(service, "the sorry server serves"),
        LineKind::FailOpen => warn!(
            service,
            "failing open: too few real servers are up, so those that fail serve, too"
        ),
        LineKind::QuorumMet => info!(service, "quorum met again"),
        LineKind::SorryServerServesNoLonger => info!(service, "the sorry server serves no longer"),
        LineKind::FailOpenNoLonger => info!(service, "failing open no longer"),
        LineKind::Down
        | LineKind::OtherDiagnosis
        | LineKind::Up
        | LineKind::Quiesced
        | LineKind::QuiescedNoLonger
        | LineKind::OtherWeight
        | LineKind::AdminState
        | LineKind::Drained => {}
    }
}

/// Says how many lines of a kind were not written, and what they were about.
pub(super) fn announce_summary(summary: &Summary<LineKind>) {
    let Summary {
        kind,
        common,
        number,
        named,
        fix,
    } = summary;
    let (named, fix) = (named.as_str(), fix.as_deref());
    let message = match kind {
        LineKind::Down => {
            return warn!(
                number,
                diagnosis = common.as_str(),
                among_them = named,
                fix,
                "more real servers are down"
            );
        }
        LineKind::OtherDiagnosis => {
            return warn!(
                number,
                diagnosis = common.as_str(),
                among_them = named,
                fix,
                "more real servers are down for another reason than before"
            );
        }
        LineKind::Quiesced => {
            return warn!(
                number,
                among_them = named,
                "more real servers are quiesced: {common}"
            );
        }
        LineKind::QuorumLost => {
            return warn!(
                number,
                among_them = named,
                "more services have lost their quorum"
            );
        }
        LineKind::SorryServerServes => {
            return warn!(
                number,
                among_them = named,
                "the sorry server serves for more services"
            );
        }
        LineKind::FailOpen => {
            return warn!(number, among_them = named, "more services fail open");
        }
        LineKind::Up => "more real servers are up",
        LineKind::QuiescedNoLonger => "more real servers are quiesced no longer",
        LineKind::QuorumMet => "more services have their quorum again",
        LineKind::SorryServerServesNoLonger => {
            "the sorry server serves no longer for more services"
        }
        LineKind::FailOpenNoLonger => "more services fail open no longer",
        LineKind::OtherWeight => "more real servers ask for another weight",
        LineKind::AdminState => "an operator has decided on more real servers",
        LineKind::Drained => "more real servers are drained",
    };
    info!(number, among_them = named, "{message}");
}

/// What a change of a pool's standing is to those who are told of events.
pub(super) fn standing_events(
    before: PoolStatus,
    after: PoolStatus,
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

/// A verdict, with what the log says of it in one line.
pub(super) struct Verdict<'a> {
    pub(super) service: &'a str,
    pub(super) real_server: &'a str,
    pub(super) transition: Transition,
    pub(super) weight: Weight,
    pub(super) reason: &'a str,
    /// What is wrong, if it is down.
    pub(super) diagnosis: Option<Diagnosis>,
    /// What to do about that.
    pub(super) fix: Option<&'a str>,
    /// The passes in a row that it takes now, where that are more than configured.
    pub(super) damped_rise: Option<NonZeroU16>,
}

pub(super) fn announce(verdict: &Verdict<'_>) {
    let Verdict {
        service,
        real_server,
        transition: Transition { from, to, .. },
        weight,
        reason,
        diagnosis,
        fix,
        damped_rise,
    } = verdict;
    match to {
        Health::Down => {
            let diagnosis = diagnosis.map(Diagnosis::as_str);
            let keeps_falling = damped_rise.map_or_else(String::new, |rise| {
                format!("; it keeps falling: {rise} probes in a row must pass to bring it up")
            });
            warn!(
                service, real_server, %from, %weight, diagnosis, fix,
                "real server down: {reason}{keeps_falling}"
            );
        }
        Health::Up | Health::Unknown => {
            info!(service, real_server, %from, %weight, "real server up: {reason}");
        }
    }
}
