//! The log lines of decisions: each decision is one line, or is counted among many that are alike.
//! Pure.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Instant;

use super::Transition;
use super::line_kind::LineKind;
use super::log_line::{self, Level, LogLine, Names};
use crate::diagnosis::DiagnosisFix;
use crate::model::{AdminState, Decision, Diagnosis, Health, PoolStatus, Quiesced, Weight};
use crate::runtime::log_limit::LogLimiter;

/// Decides which lines are written one by one.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    limiter: LogLimiter<LineKind>,
}

impl Announcer {
    /// When [`Self::take_due`] has the next line.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.limiter.next_deadline()
    }

    /// The lines that stand for those that were not written one by one.
    pub(super) fn take_due(&mut self, now: Instant) -> impl Iterator<Item = LogLine> {
        let summaries = self.limiter.take_due(now).into_iter();
        summaries.map(log_line::summary)
    }

    /// The line of a transition, with its cause and fix. It is a line for debugging where a
    /// summary stands for it.
    pub(super) fn transition(
        &mut self,
        names: Names,
        transition: Transition,
        cause: (Option<Diagnosis>, Option<&DiagnosisFix>),
        (weight, reason): (Weight, &str),
        damped_rise: Option<NonZeroU16>,
        now: Instant,
    ) -> LogLine {
        let (diagnosis, fix) = cause;
        let fix = || fix.map(ToString::to_string);
        let kind = match transition.to {
            Health::Down => LineKind::Down,
            Health::Up | Health::Unknown => LineKind::Up,
        };
        let common = diagnosis.map_or("", Diagnosis::as_str);
        let subject = || names.joined();
        let admitted = self.limiter.admit(kind, common, subject, fix, now);
        let line = match transition.to {
            Health::Down => LogLine {
                diagnosis,
                fix: fix(),
                damped_rise,
                ..names.line(Level::Warn, "real server down")
            },
            Health::Up | Health::Unknown => names.line(Level::Info, "real server up"),
        };
        LogLine {
            level: if admitted { line.level } else { Level::Debug },
            from: Some(transition.from),
            weight: Some(weight),
            reason: Some(reason.to_owned()),
            ..line
        }
    }

    /// The line of a real server that is up without a probe.
    pub(super) fn came_up(
        &mut self,
        names: Names,
        from: Health,
        weight: Weight,
        reason: &str,
        now: Instant,
    ) -> LogLine {
        let admitted = self.admit(LineKind::Up, "", &names, now);
        LogLine {
            level: if admitted { Level::Info } else { Level::Debug },
            from: Some(from),
            weight: Some(weight),
            reason: Some(reason.to_owned()),
            ..names.line(Level::Info, "real server up")
        }
    }

    /// The line of a real server that is still down, for another reason than was logged.
    pub(super) fn other_diagnosis(
        &mut self,
        names: Names,
        diagnosis: Diagnosis,
        fix: Option<&DiagnosisFix>,
        now: Instant,
    ) -> Option<LogLine> {
        let fix = || fix.map(ToString::to_string);
        let (kind, common) = (LineKind::OtherDiagnosis, diagnosis.as_str());
        let admitted = self
            .limiter
            .admit(kind, common, || names.joined(), fix, now);
        admitted.then(|| LogLine {
            diagnosis: Some(diagnosis),
            fix: fix(),
            ..names.line(Level::Warn, "real server still down, for another reason")
        })
    }

    pub(super) fn advice(
        &mut self,
        names: Names,
        weight: Weight,
        detail: &str,
        now: Instant,
    ) -> Option<LogLine> {
        let admitted = self.admit(LineKind::OtherWeight, "", &names, now);
        admitted.then(|| LogLine {
            weight: Some(weight),
            reason: Some(detail.to_owned()),
            ..names.line(Level::Info, "real server reports another weight")
        })
    }

    pub(super) fn pool_status(
        &mut self,
        service: &Arc<str>,
        before: PoolStatus,
        after: PoolStatus,
        now: Instant,
    ) -> Vec<LogLine> {
        let kinds = log_line::pool_lines(before, after);
        let admitted = kinds.filter(|kind| {
            let subject = || service.to_string();
            self.limiter.admit(*kind, "", subject, || None, now)
        });
        admitted
            .map(|kind| log_line::pool_line(Arc::clone(service), kind))
            .collect()
    }

    /// The line of what an operator decided, or of the end of a drain.
    pub(super) fn admin(
        &mut self,
        names: Names,
        admin: AdminState,
        decision: &Decision,
        now: Instant,
    ) -> Option<LogLine> {
        let (kind, common, message) = match admin {
            AdminState::Enabled => (
                LineKind::AdminState,
                admin.as_str(),
                "an operator returns the real server to service",
            ),
            AdminState::Draining => (
                LineKind::AdminState,
                admin.as_str(),
                "an operator drains the real server",
            ),
            AdminState::Drained => (LineKind::Drained, "", "real server drained"),
        };
        let admitted = self.admit(kind, common, &names, now);
        admitted.then(|| LogLine {
            by: decision.by.clone(),
            reason: decision.reason.as_deref().map(str::to_owned),
            ..names.line(Level::Info, message)
        })
    }

    /// The line of a weight that an operator sets, or of the configured one again.
    pub(super) fn operator_weight(
        &mut self,
        names: Names,
        weight: Weight,
        is_set: bool,
        decision: &Decision,
        now: Instant,
    ) -> Option<LogLine> {
        let message = if is_set {
            "an operator sets the weight of the real server"
        } else {
            "an operator returns the real server to its configured weight"
        };
        let admitted = self.admit(LineKind::OperatorWeight, "", &names, now);
        admitted.then(|| LogLine {
            weight: Some(weight),
            by: decision.by.clone(),
            ..names.line(Level::Info, message)
        })
    }

    /// The line of a real server that has weight 0 for its ARP conflict, or has so no longer.
    pub(super) fn quiesced(
        &mut self,
        names: Names,
        before: Option<Quiesced>,
        after: Option<Quiesced>,
        has_arp_conflict: bool,
        now: Instant,
    ) -> Option<LogLine> {
        let (kind, level, message) = match (after, has_arp_conflict) {
            (Some(_), _) => (
                LineKind::Quiesced,
                Level::Warn,
                "quiesced: the real server answers for the VIP on the link",
            ),
            (None, true) => (
                LineKind::QuiescedNoLonger,
                Level::Warn,
                "quiesced no longer, though the real server still answers for the VIP: the others \
                 that serve have less than half of the weight, or less than the quorum",
            ),
            (None, false) => (
                LineKind::QuiescedNoLonger,
                Level::Info,
                "quiesced no longer",
            ),
        };
        let common = "they answer for the VIP on the link";
        let reason = after.or(before).map(|reason| reason.as_str().to_owned());
        let admitted = self.admit(kind, common, &names, now);
        admitted.then(|| LogLine {
            reason,
            ..names.line(level, message)
        })
    }

    fn admit(&mut self, kind: LineKind, common: &str, names: &Names, now: Instant) -> bool {
        let subject = || names.joined();
        self.limiter.admit(kind, common, subject, || None, now)
    }
}
