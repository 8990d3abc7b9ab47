//! The conditions that follow from what the snapshot holds.
//!
//! Facts of the host are examined at every step. Real servers are examined a
//! bounded number at a time, so that a step costs the same for any number of them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::{RealServerRecord, ServiceRecord, Snapshot};
use crate::diagnosis::arp_conflict_fix;
use crate::model::{
    AdminState, CertificateExpiry, Condition, ConditionType, Health, PoolStatus, Severity,
};
use crate::runtime::file_work;
use crate::runtime::own_command;

/// Real servers that are examined in one step, at least: 20,000 of them take 10 steps.
const REAL_SERVERS_AT_ONCE: usize = 2048;

/// So many commands are named in one fix.
const COMMANDS_NAMED: usize = 8;

/// A certificate that ends this soon is a warning: renewal by ACME is due 30
/// days before the end, so it has failed for two weeks.
const CERTIFICATE_WARNING: Duration = Duration::from_hours(14 * 24);

/// A certificate that ends this soon is a problem: what is left is a weekend.
const CERTIFICATE_PROBLEM: Duration = Duration::from_hours(3 * 24);

/// Finds all conditions of one type on this host.
type OfHost = fn(ConditionType, &Snapshot, SystemTime) -> Vec<Condition>;

/// Finds the condition of one type that a real server has.
type OfRealServer = fn(
    ConditionType,
    &Snapshot,
    &ServiceRecord,
    &RealServerRecord,
    SystemTime,
) -> Option<Condition>;

const OF_HOST: [(ConditionType, OfHost); 5] = [
    (ConditionType::WeightsFrozen, weights_frozen),
    (ConditionType::ArpAuditFailed, arp_audit_failed),
    (ConditionType::ArpConflict, arp_conflicts),
    (ConditionType::FileSystemHung, file_systems_hung),
    (ConditionType::TlsFilesStale, tls_files_stale),
];

/// Whether a virtual service as a whole has the condition of one type, and the message.
type OfPool = (ConditionType, fn(&PoolStatus) -> bool, &'static str);

const OF_POOL: [OfPool; 3] = [
    (
        ConditionType::QuorumLost,
        |status| !status.quorum_met,
        "the weight of the real servers that are up is below the quorum",
    ),
    (
        ConditionType::SorryServerActive,
        |status| status.sorry_serves,
        "the sorry server serves in place of the real servers",
    ),
    (
        ConditionType::FailOpen,
        |status| status.fail_open,
        "real servers that fail serve, since too few others are up",
    ),
];

const OF_REAL_SERVERS: [(ConditionType, OfRealServer); 3] = [
    (ConditionType::RealServerDown, down),
    (ConditionType::CertificateEnding, certificate_ending),
    (ConditionType::DrainOverdue, drain_overdue),
];

/// Keeps the conditions that follow from a snapshot current.
#[derive(Debug, Default)]
pub(crate) struct Examiner {
    /// The next service to examine.
    next: usize,
    /// What was found in this round over the services.
    found: Vec<Condition>,
}

impl Examiner {
    /// One step at `now`: all facts of the host, and the next services.
    pub(crate) fn step(&mut self, snapshot: &Snapshot, now: SystemTime) {
        let found = OF_HOST.map(|(kind, find)| find(kind, snapshot, now));
        let kinds = OF_HOST.map(|(kind, _)| kind);
        snapshot
            .conditions
            .replace(&kinds, found.into_iter().flatten());
        let mut examined = 0;
        while examined < REAL_SERVERS_AT_ONCE {
            let Some(service) = snapshot.services.get(self.next) else {
                let of_pool = OF_POOL.map(|(kind, ..)| kind);
                let of_real_servers = OF_REAL_SERVERS.map(|(kind, _)| kind);
                let kinds = [&of_pool[..], &of_real_servers].concat();
                let found = std::mem::take(&mut self.found);
                snapshot.conditions.replace(&kinds, found);
                self.next = 0;
                return;
            };
            self.next += 1;
            examined += service.real_servers.len() + 1;
            of_service(&mut self.found, snapshot, service, now);
        }
    }
}

fn weights_frozen(kind: ConditionType, snapshot: &Snapshot, now: SystemTime) -> Vec<Condition> {
    let frozen = snapshot.frozen.lock();
    let conditions = frozen.iter().map(|reason| Condition {
        kind,
        subject: reason.as_str().to_owned(),
        severity: Severity::Problem,
        message: format!("{}: {reason}", reason.what()),
        fix: reason.fix(),
        since: now,
    });
    conditions.collect()
}

fn arp_audit_failed(kind: ConditionType, snapshot: &Snapshot, now: SystemTime) -> Vec<Condition> {
    let error = snapshot.arp.lock().error.clone();
    let condition = error.map(|error| Condition {
        kind,
        subject: "director.link".to_owned(),
        severity: Severity::Warning,
        message: error,
        fix: "see `ip -brief link`; the audit needs CAP_NET_RAW".to_owned(),
        since: now,
    });
    condition.into_iter().collect()
}

fn arp_conflicts(kind: ConditionType, snapshot: &Snapshot, _: SystemTime) -> Vec<Condition> {
    let mut found = Vec::new();
    for (vip, conflicts) in &snapshot.arp.lock().vips {
        for (mac, conflict) in conflicts {
            let (message, fix) = match conflict.owner() {
                Some(owner) => (
                    format!("{vip} is answered for by {mac} as well, which is {owner}"),
                    format!("there, {}", arp_conflict_fix(*vip)),
                ),
                None => (
                    format!(
                        "{vip} is answered for by {mac} as well, which is no real server: another \
                         director, or a host that has the VIP and should not"
                    ),
                    format!("take the VIP off the host that has the MAC address {mac}"),
                ),
            };
            found.push(Condition {
                kind,
                subject: format!("{vip} {mac}"),
                severity: Severity::Problem,
                message,
                fix,
                since: conflict.since,
            });
        }
    }
    found
}

fn file_systems_hung(kind: ConditionType, _: &Snapshot, now: SystemTime) -> Vec<Condition> {
    let hung = file_work::hung_files().into_iter().map(|path| {
        let subject = path.display().to_string();
        Condition {
            kind,
            severity: Severity::Problem,
            message: format!("the file system of `{subject}` does not answer"),
            fix: format!("see `timeout 5 stat {subject}` and `findmnt -T {subject}`"),
            subject,
            since: now,
        }
    });
    hung.collect()
}

fn tls_files_stale(kind: ConditionType, snapshot: &Snapshot, now: SystemTime) -> Vec<Condition> {
    let otherwise = || "correct the files; the agent reads them again".to_owned();
    let stale = snapshot.tls_not_read.list().into_iter();
    let conditions = stale.map(|stale| Condition {
        kind,
        subject: stale.files,
        severity: Severity::Warning,
        message: stale.reason,
        fix: stale.fix.unwrap_or_else(otherwise),
        since: now,
    });
    conditions.collect()
}

fn of_service(
    found: &mut Vec<Condition>,
    snapshot: &Snapshot,
    service: &ServiceRecord,
    now: SystemTime,
) {
    let status = service.pool.lock().status;
    for (kind, _, message) in OF_POOL.iter().filter(|(_, holds, _)| holds(&status)) {
        found.push(Condition {
            kind: *kind,
            subject: service.name.to_string(),
            severity: Severity::Problem,
            message: (*message).to_owned(),
            fix: pool_fix(snapshot, service),
            since: now,
        });
    }
    for record in service.records() {
        for (kind, find) in OF_REAL_SERVERS {
            found.extend(find(kind, snapshot, service, record, now));
        }
    }
}

/// What gives a pool weight again: the end of the drains and of the lower weights that
/// take some from the pool, and the health of the others.
fn pool_fix(snapshot: &Snapshot, service: &ServiceRecord) -> String {
    let (mut taken_out, mut others_fail) = (Vec::new(), false);
    for record in &service.real_servers {
        let live = record.live.lock();
        let set = live.operator_weight.as_ref();
        let set = set.map(|weight| weight.set.in_place_of(record.configured));
        if live.health == Health::Down {
            others_fail = true;
        } else if live.admin != AdminState::Enabled {
            taken_out.push(("undrain", record, ""));
        } else if set.is_some_and(|set| set < record.configured) {
            taken_out.push(("weight", record, " reset"));
        }
    }
    let to_health = format!(
        "return real servers of the service to health: `{}` says what is wrong with each",
        snapshot.command_line("status")
    );
    if taken_out.is_empty() {
        return to_health;
    }
    let more = taken_out.len().saturating_sub(COMMANDS_NAMED);
    let named = taken_out.iter().take(COMMANDS_NAMED);
    let named = named.map(|(command, record, end)| {
        let command = format!("{command} {}{end}", service.name_of(record));
        format!("`{}`", snapshot.command_line(&command))
    });
    let mut fix = format!(
        "return to service what operators have taken out: {}",
        named.collect::<Vec<_>>().join(", ")
    );
    if more > 0 {
        fix = format!("{fix} and {more} more");
    }
    if others_fail {
        fix = format!("{fix}; or {to_health}");
    }
    fix
}

/// The verdicts of real servers stay while all weights are frozen, and so do these conditions.
/// The probes of that time say nothing of a real server, so that the cause stays as well.
fn down(
    kind: ConditionType,
    snapshot: &Snapshot,
    service: &ServiceRecord,
    record: &RealServerRecord,
    _: SystemTime,
) -> Option<Condition> {
    let is_frozen = snapshot.all_weights_are_frozen();
    let live = record.live.lock();
    if live.health != Health::Down {
        return None;
    }
    let subject = service.name_of(record);
    if is_frozen && let Some(before) = snapshot.conditions.get(kind, &subject) {
        return Some(before);
    }
    let detail = live.last_probe.as_ref().map(|probe| probe.detail.as_str());
    let message = match (live.diagnosis, detail) {
        (Some(diagnosis), Some(detail)) => format!("{diagnosis}: {detail}"),
        (Some(diagnosis), None) => diagnosis.to_string(),
        (None, detail) => detail.unwrap_or("the check fails").to_owned(),
    };
    let fix = live.suggested_fix(service.subject(record)).map_or_else(
        || format!("on {}: `lvs-agent doctor --real-server`", record.key),
        |fix| own_command::complete(&fix.to_string()).into_owned(),
    );
    Some(Condition {
        kind,
        subject,
        severity: Severity::Problem,
        message,
        fix,
        since: live.since,
    })
}

fn certificate_ending(
    kind: ConditionType,
    _: &Snapshot,
    service: &ServiceRecord,
    record: &RealServerRecord,
    now: SystemTime,
) -> Option<Condition> {
    let CertificateExpiry { at: end, port } = *record.live.lock().certificate_expiry.as_deref()?;
    let left = end.duration_since(now).unwrap_or_default();
    let severity = match left {
        left if left <= CERTIFICATE_PROBLEM => Severity::Problem,
        left if left <= CERTIFICATE_WARNING => Severity::Warning,
        _ => return None,
    };
    let at = humantime::format_rfc3339_seconds(end);
    Some(Condition {
        kind,
        subject: service.name_of(record),
        severity,
        message: format!("the certificate that the real server shows ends at {at}"),
        fix: format!(
            "renew the certificate on {}, and reload its server",
            SocketAddr::new(record.key.0.ip(), port)
        ),
        since: now,
    })
}

fn drain_overdue(
    kind: ConditionType,
    snapshot: &Snapshot,
    service: &ServiceRecord,
    record: &RealServerRecord,
    now: SystemTime,
) -> Option<Condition> {
    let live = record.live.lock();
    let deadline = live.drain_deadline.filter(|deadline| *deadline < now)?;
    // Without one, the drain ends with the next look at the table.
    if live.admin != AdminState::Draining || live.connections.active == 0 {
        return None;
    }
    let at = humantime::format_rfc3339_seconds(deadline);
    let name = service.name_of(record);
    Some(Condition {
        kind,
        message: format!("the drain should have ended at {at}, and connections are left"),
        fix: format!(
            "wait for the clients, or end their connections on {}; `{}` returns the real server \
             to service",
            record.key,
            snapshot.command_line(&format!("undrain {name}"))
        ),
        subject: name,
        severity: Severity::Warning,
        since: deadline,
    })
}

#[cfg(test)]
mod tests;
