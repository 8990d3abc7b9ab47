//! What the record of a real server keeps of its newest probe.

use crate::probe::ProbeReport;
use crate::status::{LastProbe, RealServerLive};

impl RealServerLive {
    /// Takes the newest probe's result in; the verdict is health's.
    pub(crate) fn note_probe(&mut self, report: &ProbeReport) {
        let ProbeReport { outcome, at, .. } = report;
        let ended = *at + outcome.duration;
        self.counters.count_probe(outcome.result, ended);
        if let Some(expiry) = outcome.certificate_expiry {
            self.certificate_expiry = Some(Box::new(expiry));
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
