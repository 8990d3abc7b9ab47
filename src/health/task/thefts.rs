//! Real servers that answer for a VIP on the link, and what that means for their weights.

use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};

use super::{HealthTask, name};
use crate::config::OnArpConflict;
use crate::health::line_kind::LineKind;
use crate::health::pool::Pool;
use crate::model::ArpConflicts;
use crate::runtime::bursts::Bursts;
use crate::status::{RealServerRecord, ServiceRecord};

impl HealthTask {
    /// Takes what the ARP audit has found.
    pub(super) fn on_thefts(&mut self, thefts: ArpConflicts, now: Instant) {
        self.thefts = thefts;
        let snapshot = Arc::clone(&self.snapshot);
        for service in &snapshot.services {
            for record in service.records() {
                self.diagnose(service, record, now);
            }
        }
        for index in self.mark_thieves() {
            let changes = self.settle(index, None, now);
            self.intent.set(changes);
        }
    }

    /// Whether it answers for the VIP of its service.
    pub(super) fn is_stealing(&self, service: &ServiceRecord, record: &RealServerRecord) -> bool {
        let vip = service.key.vip();
        vip.is_some_and(|vip| self.thefts.contains(&(vip, record.key.0.ip())))
    }

    /// Tells the pools who steals, where that is to have a consequence; the
    /// services for which that is new.
    pub(super) fn mark_thieves(&mut self) -> Vec<usize> {
        let heeded = self.config.director.on_arp_conflict == OnArpConflict::Quiesce;
        let snapshot = Arc::clone(&self.snapshot);
        let mut changed = Vec::new();
        for (index, (pool, service)) in self.pools.iter_mut().zip(&snapshot.services).enumerate() {
            let Some(vip) = service.key.vip() else {
                continue;
            };
            let mut new = false;
            for (place, record) in service.real_servers.iter().enumerate() {
                let stealing = heeded && self.thefts.contains(&(vip, record.key.0.ip()));
                new |= pool.set_stealing(place, stealing);
            }
            if new {
                changed.push(index);
            }
        }
        changed
    }
}

/// Shows who has weight 0 for what they do, and tells when that changes.
pub(super) fn show_quiesced(
    pool: &Pool,
    service: &ServiceRecord,
    bursts: &mut Bursts<LineKind>,
    now: Instant,
) {
    for (place, record) in service.real_servers.iter().enumerate() {
        let quiesced = pool.quiesced(place);
        let before = std::mem::replace(&mut record.live.lock().quiesced, quiesced);
        let kind = match (before, quiesced) {
            (None, Some(_)) => LineKind::Quiesced,
            (Some(_), None) => LineKind::QuiescedNoLonger,
            (None, None) | (Some(_), Some(_)) => continue,
        };
        let common = "they answer for the VIP on the link";
        if !bursts.admit(kind, common, || name(service, record), || None, now) {
            continue;
        }
        let (service, real_server) = (&*service.name, &*record.name);
        match (before, quiesced) {
            (None, Some(reason)) => warn!(
                service,
                real_server,
                reason = reason.as_str(),
                "quiesced: it answers for the VIP on the link"
            ),
            (Some(reason), None) if pool.is_stealing(place) => warn!(
                service,
                real_server,
                reason = reason.as_str(),
                "quiesced no longer, though it still answers for the VIP: the others that serve \
                 have less than half of the weight, or less than the quorum"
            ),
            (Some(reason), None) => info!(
                service,
                real_server,
                reason = reason.as_str(),
                "quiesced no longer"
            ),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}
