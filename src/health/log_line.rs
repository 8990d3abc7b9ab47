//! The lines that health logs, as data: a constant message per kind of event, and fields.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use super::Transition;
use super::line_kind::LineKind;
use super::probe_errors::ProbeErrorChange;
use crate::model::{Diagnosis, Health, PoolStatus, Weight};
use crate::notify::EventKind;
use crate::probe::Outcome;
use crate::runtime::log_limit::Summary;

/// The importance of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// One line. A field that is `None` is not written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) level: Level,
    pub(crate) message: &'static str,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) real_server: Option<Arc<str>>,
    pub(crate) number: Option<usize>,
    pub(crate) from: Option<Health>,
    pub(crate) weight: Option<Weight>,
    pub(crate) reason: Option<String>,
    /// The operator who decided.
    pub(crate) by: Option<Arc<str>>,
    pub(crate) diagnosis: Option<Diagnosis>,
    /// Some of the subjects of a line that stands for many.
    pub(crate) among_them: Option<String>,
    pub(crate) fix: Option<String>,
    pub(crate) scheduler: Option<String>,
    pub(crate) silent_for: Option<Duration>,
    /// The passes in a row that flap damping asks for.
    pub(crate) damped_rise: Option<NonZeroU16>,
}

/// The names of a virtual service and of a real server of it.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) service: Arc<str>,
    pub(super) real_server: Arc<str>,
}

impl Names {
    /// The name that operators use: `web/rs1`.
    pub(super) fn joined(&self) -> String {
        format!("{}/{}", self.service, self.real_server)
    }

    pub(super) fn line(self, level: Level, message: &'static str) -> LogLine {
        LogLine {
            level,
            message,
            service: Some(self.service),
            real_server: Some(self.real_server),
            ..LogLine::default()
        }
    }
}

impl LogLine {
    pub(super) fn new(level: Level, message: &'static str) -> Self {
        Self {
            level,
            message,
            ..Self::default()
        }
    }
}

/// Says why this host cannot probe, and when probing works again.
pub(super) fn probe_error(names: Names, change: ProbeErrorChange, fix: Option<String>) -> LogLine {
    match change {
        ProbeErrorChange::Began(reason) => LogLine {
            reason: Some(reason),
            fix,
            ..names.line(Level::Warn, "probes cannot be made; health stays as it is")
        },
        ProbeErrorChange::Ended(reason) => LogLine {
            reason: Some(reason),
            ..names.line(Level::Info, "probes can be made again")
        },
    }
}

/// Why the health changed.
pub(super) fn reason(transition: Transition, outcome: &Outcome) -> String {
    let streak = match transition.outcomes {
        1 => "1 probe".to_owned(),
        outcomes => format!("{outcomes} probes in a row"),
    };
    match transition.to {
        Health::Down => format!("{streak} failed, the last with: {}", outcome.detail),
        Health::Up | Health::Unknown => format!("{streak} passed"),
    }
}

/// Why a real server is up whose check was replaced by `check: none`.
pub(super) const NO_LONGER_CHECKED: &str = "it is no longer checked";

/// The kinds of lines that a change of a pool's status asks for.
pub(super) fn pool_lines(before: PoolStatus, after: PoolStatus) -> impl Iterator<Item = LineKind> {
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

/// The line of a change of one pool's status.
pub(super) fn pool_line(service: Arc<str>, kind: LineKind) -> LogLine {
    let (level, message) = match kind {
        LineKind::QuorumLost => (Level::Warn, "quorum lost"),
        LineKind::SorryServerServes => (Level::Warn, "the sorry server serves"),
        LineKind::FailOpen => (
            Level::Warn,
            "failing open: too few real servers are up, so failing real servers serve, too",
        ),
        LineKind::QuorumMet => (Level::Info, "quorum met again"),
        LineKind::SorryServerServesNoLonger => (Level::Info, "the sorry server serves no longer"),
        LineKind::FailOpenNoLonger => (Level::Info, "failing open no longer"),
        LineKind::Down
        | LineKind::OtherDiagnosis
        | LineKind::Up
        | LineKind::Quiesced
        | LineKind::QuiescedNoLonger
        | LineKind::OtherWeight
        | LineKind::AdminState
        | LineKind::OperatorWeight
        | LineKind::Drained => (Level::Debug, "real server changed"),
    };
    LogLine {
        service: Some(service),
        ..LogLine::new(level, message)
    }
}

/// The line that stands for those that were not written one by one.
pub(super) fn summary(summary: Summary<LineKind>) -> LogLine {
    let Summary {
        kind,
        common,
        number,
        named,
        fix,
    } = summary;
    let (level, message) = match kind {
        LineKind::Down => (Level::Warn, "more real servers are down"),
        LineKind::OtherDiagnosis => (
            Level::Warn,
            "more real servers are down for another reason than before",
        ),
        LineKind::Quiesced => (Level::Warn, "more real servers are quiesced"),
        LineKind::QuorumLost => (Level::Warn, "more services have lost their quorum"),
        LineKind::SorryServerServes => (Level::Warn, "the sorry server serves for more services"),
        LineKind::FailOpen => (Level::Warn, "more services fail open"),
        LineKind::Up => (Level::Info, "more real servers are up"),
        LineKind::QuiescedNoLonger => (Level::Info, "more real servers are quiesced no longer"),
        LineKind::QuorumMet => (Level::Info, "more services have their quorum again"),
        LineKind::SorryServerServesNoLonger => (
            Level::Info,
            "the sorry server serves no longer for more services",
        ),
        LineKind::FailOpenNoLonger => (Level::Info, "more services fail open no longer"),
        LineKind::OtherWeight => (Level::Info, "more real servers report another weight"),
        LineKind::AdminState => (Level::Info, "an operator has decided on more real servers"),
        LineKind::OperatorWeight => (
            Level::Info,
            "an operator sets the weights of more real servers",
        ),
        LineKind::Drained => (Level::Info, "more real servers are drained"),
    };
    let is_down = matches!(kind, LineKind::Down | LineKind::OtherDiagnosis);
    LogLine {
        number: Some(number),
        diagnosis: (Diagnosis::ALL.into_iter())
            .find(|diagnosis| is_down && diagnosis.as_str() == common),
        reason: (!is_down && !common.is_empty()).then_some(common),
        among_them: Some(named),
        fix,
        ..LogLine::new(level, message)
    }
}

/// The events that a change of a pool's status is to notifications.
pub(super) fn pool_events(
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
