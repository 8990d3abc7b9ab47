//! What the record of a real server keeps of its newest probe.

use crate::probe::ProbeReport;
use crate::status::{LastProbe, RealServerLive};

impl RealServerLive {
    /// Takes the newest probe's result in; the verdict is health's.
    pub(crate) fn note_probe(&mut self, report: &ProbeReport) {
        let ProbeReport { outcome, at, .. } = report;
        if let Some(count) = self.probes.get_mut(outcome.result.index()) {
            *count = count.wrapping_add(1);
        }
        let first = match outcome.result.evidence() {
            Some(true) => Some(&mut self.first_counted.passed),
            Some(false) => Some(&mut self.first_counted.failed),
            None => None,
        };
        if let Some(first) = first {
            first.get_or_insert(*at + outcome.duration);
        }
        if outcome.certificate_expiry.is_some() {
            self.certificate_expiry = outcome.certificate_expiry;
        }
        if self.observation.note(outcome.plain, outcome.vip) {
            self.fix.clone_from(&outcome.fix);
        }
        // Most details are that of the probe before, whose room is used again.
        let mut detail = self
            .last_probe
            .take()
            .map(|last| last.detail)
            .unwrap_or_default();
        detail.clone_from(&outcome.detail);
        self.last_probe = Some(LastProbe {
            at: *at,
            result: outcome.result,
            detail,
            duration: outcome.duration,
        });
    }
}
