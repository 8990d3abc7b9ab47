//! What the log says of conflicts: hundreds of VIPs that one host answers for
//! are a few lines and a number.

use std::net::IpAddr;
use std::time::Instant;

use tracing::{info, warn};

use crate::diagnosis::arp_conflict_fix;
use crate::model::MacAddress;
use crate::runtime::log_limit::{LogLimiter, Summary};
use crate::status::ConflictRecord;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LineKind {
    OfRealServer,
    ForeignHost,
    Over,
}

/// What was written of conflicts, and what was not.
#[derive(Debug, Default)]
pub(super) struct ConflictLog {
    bursts: LogLimiter<LineKind>,
}

/// Who answers: `rs1 (192.168.11.21), 02:00:00:00:00:21`.
fn who(mac: MacAddress, conflict: &ConflictRecord) -> String {
    match conflict.owner() {
        Some(owner) => format!("{owner}, {mac}"),
        None => mac.to_string(),
    }
}

impl ConflictLog {
    /// Somebody else answers for a VIP, or it is known now who that is.
    pub(super) fn begun(
        &mut self,
        vip: IpAddr,
        mac: MacAddress,
        conflict: &ConflictRecord,
        now: Instant,
    ) {
        let owner = conflict.owner();
        let kind = match owner {
            Some(_) => LineKind::OfRealServer,
            None => LineKind::ForeignHost,
        };
        let fix = || owner.is_some().then(|| arp_conflict_fix(vip));
        if !self.admit(kind, vip, mac, conflict, fix, now) {
            return;
        }
        if let Some(real_server) = owner {
            let fix = arp_conflict_fix(vip);
            warn!(%vip, %mac, real_server, "a real server answers for the VIP on the link: there, {fix}");
        } else {
            warn!(
                %vip,
                %mac,
                "somebody else answers for the VIP on the link, no real server by its MAC address: \
                 another director, or a host that has the VIP and should not"
            );
        }
    }

    pub(super) fn over(
        &mut self,
        vip: IpAddr,
        mac: MacAddress,
        conflict: &ConflictRecord,
        now: Instant,
    ) {
        if self.admit(LineKind::Over, vip, mac, conflict, || None, now) {
            let owner = conflict.owner();
            let real_server = owner.as_deref();
            info!(%vip, %mac, real_server, "the conflict is over: the VIP is not answered for there any more");
        }
    }

    fn admit(
        &mut self,
        kind: LineKind,
        vip: IpAddr,
        mac: MacAddress,
        conflict: &ConflictRecord,
        fix: impl FnOnce() -> Option<String>,
        now: Instant,
    ) -> bool {
        let who = who(mac, conflict);
        self.bursts.admit(kind, &who, || vip.to_string(), fix, now)
    }

    /// When [`write_due`](Self::write_due) has something to write.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.bursts.next_deadline()
    }

    /// Writes the numbers of those that were not written one by one.
    pub(super) fn write_due(&mut self, now: Instant) {
        for summary in self.bursts.take_due(now) {
            let Summary {
                kind,
                common,
                number,
                named,
                fix,
            } = summary;
            match kind {
                LineKind::OfRealServer => warn!(
                    number,
                    by = common,
                    among_them = named,
                    fix,
                    "more VIPs are answered for on the link by a real server: `/status` has all"
                ),
                LineKind::ForeignHost => warn!(
                    number,
                    by = common,
                    among_them = named,
                    "more VIPs are answered for on the link by somebody else: `/status` has all"
                ),
                LineKind::Over => info!(
                    number,
                    by = common,
                    among_them = named,
                    "more conflicts are over: the VIPs are not answered for there any more"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests;
