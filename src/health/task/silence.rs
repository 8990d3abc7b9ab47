//! Real servers that no probe reaches, and whether they are on the link all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tracing::warn;

use super::{HealthTask, name};
use crate::health::diagnose::diagnose;
use crate::health::line_kind::LineKind;
use crate::model::{Diagnosis, RealServerId};
use crate::runtime::clock;
use crate::status::{RealServerRecord, ServiceRecord};

/// Of whom the newest probe had no answer at all.
#[derive(Debug, Default)]
pub(super) struct Silent {
    by_address: BTreeMap<IpAddr, BTreeSet<RealServerId>>,
    /// Whether others are silent than were told.
    changed: bool,
}

impl Silent {
    fn set(&mut self, address: IpAddr, id: RealServerId, silent: bool) {
        if silent {
            let ids = self.by_address.entry(address).or_default();
            self.changed |= ids.is_empty();
            ids.insert(id);
        } else if let Some(ids) = self.by_address.get_mut(&address) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_address.remove(&address);
                self.changed = true;
            }
        }
    }
}

impl HealthTask {
    /// Concludes anew what is wrong with a real server.
    pub(super) fn diagnose(
        &mut self,
        service: &ServiceRecord,
        record: &RealServerRecord,
        now: Instant,
    ) {
        let stealing = self.is_stealing(service, record);
        let present = self.present.contains(&record.key.0.ip());
        let held = self.snapshot.all_weights_are_held();
        let Some(diagnosis) = diagnose(record, stealing, present, held) else {
            return;
        };
        let mend = record.live.lock().mend(service.place(record));
        let fix = || mend.as_ref().map(ToString::to_string);
        let (kind, common) = (LineKind::OtherDiagnosis, diagnosis.as_str());
        let subject = || name(service, record);
        if self.bursts.admit(kind, common, subject, fix, now) {
            warn!(
                service = &*service.name,
                real_server = &*record.name,
                diagnosis = common,
                fix = fix(),
                "real server still down, for another reason"
            );
        }
    }

    /// Takes in whether its newest probe had any answer.
    pub(super) fn note_silence(&mut self, id: RealServerId, record: &RealServerRecord) {
        let seen = record.live.lock().seen;
        let address = record.key.0.ip();
        let found = Diagnosis::of(seen.plain, seen.vip, false, false);
        let silent = found == Some(Diagnosis::Unreachable);
        self.silent.set(address, id, silent);
    }

    /// The same of all, who are others now.
    pub(super) fn note_silence_of_all(&mut self) {
        self.silent.by_address.clear();
        self.silent.changed = true;
        let snapshot = Arc::clone(&self.snapshot);
        for (service, record) in (0..).zip(&snapshot.services) {
            for (real_server, record) in (0..).zip(record.records()) {
                let id = RealServerId {
                    service,
                    real_server,
                };
                self.note_silence(id, record);
            }
        }
    }

    /// Lets those be asked for who are silent now.
    pub(super) fn tell_silent(&mut self, silent: &watch::Sender<BTreeSet<IpAddr>>) {
        if std::mem::take(&mut self.silent.changed) {
            silent.send_replace(self.silent.by_address.keys().copied().collect());
        }
    }

    /// Takes what has been found of those that are silent.
    pub(super) fn on_present(&mut self, present: BTreeSet<IpAddr>) {
        let changed = self.present.symmetric_difference(&present);
        let changed: BTreeSet<_> = changed.copied().collect();
        self.present = present;
        let (snapshot, now) = (Arc::clone(&self.snapshot), clock::monotonic());
        for service in &snapshot.services {
            for record in service.records() {
                if changed.contains(&record.key.0.ip()) {
                    self.diagnose(service, record, now);
                }
            }
        }
    }
}
