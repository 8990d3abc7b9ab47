//! The search for what the target of a command names.

use std::collections::BTreeSet;
use std::time::SystemTime;

use thiserror::Error;

use crate::model::{Candidate, RealServerId, Target, UnknownTarget};
use crate::status::{LeavingRecord, ServiceRecord, Snapshot};

/// The real servers that a command names, each once. A target without any is an error that the
/// operator sees, whatever the others name.
pub(crate) fn find(
    snapshot: &Snapshot,
    targets: &[Target],
) -> Result<BTreeSet<RealServerId>, TargetError> {
    let mut found = BTreeSet::new();
    for target in targets {
        found.extend(find_one(snapshot, target)?);
    }
    Ok(found)
}

fn find_one(snapshot: &Snapshot, target: &Target) -> Result<Vec<RealServerId>, TargetError> {
    let mut found = Vec::new();
    for (service, record) in (0..).zip(&snapshot.services) {
        if !target.may_be_in(&record.name) {
            continue;
        }
        let real_servers = (0..).zip(&record.real_servers);
        let named = real_servers.filter(|(_, one)| target.matches(&record.candidate(one)));
        found.extend(named.map(|(real_server, _)| RealServerId {
            service,
            real_server,
        }));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let mut services = snapshot.services.iter();
    let is_sorry_server = |record: &ServiceRecord| {
        let sorry_server = record.sorry_server.as_deref();
        sorry_server.is_some_and(|one| target.matches(&record.candidate(one)))
    };
    if services.any(|record| is_sorry_server(record)) {
        return Err(TargetError::SorryServer(target.to_string()));
    }
    let leaving = snapshot.leaving.lock();
    let mut leaving = leaving.iter();
    Err(match leaving.find(|one| is_meant(target, one)) {
        Some(one) if one.serves => TargetError::StillServes(target.to_string()),
        Some(one) => TargetError::Leaving {
            target: target.to_string(),
            deadline: one.deadline,
        },
        None => TargetError::Unknown {
            unknown: target.unknown(candidates(snapshot)),
            status: snapshot.command_line("status"),
        },
    })
}

/// The names of real servers that the targets mean as well, that are no longer configured
/// and still serve: no command reaches them.
pub(crate) fn still_serving(snapshot: &Snapshot, targets: &[Target]) -> Vec<String> {
    let leaving = snapshot.leaving.lock();
    let meant = leaving.iter().filter(|one| {
        let mut targets = targets.iter();
        one.serves && targets.any(|target| is_meant(target, one))
    });
    meant
        .map(|one| format!("{}/{}", one.service, one.real_server))
        .collect()
}

fn is_meant(target: &Target, one: &LeavingRecord) -> bool {
    let service = (one.service.as_str(), one.service_key);
    target.matches(&Candidate::new(service, (&one.real_server, one.key)))
}

/// What a command can name.
fn candidates(snapshot: &Snapshot) -> impl Iterator<Item = Candidate<'_>> + Clone {
    let services = snapshot.services.iter();
    services.flat_map(|record| {
        let real_servers = record.real_servers.iter();
        real_servers.map(|one| record.candidate(one))
    })
}

/// A target that names no real server.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    /// The target is a sorry server.
    #[error(
        "`{0}` takes no drain and no weight: a sorry server serves only while nobody else does, so \
         to be rid of it, take it out of the configuration and reload"
    )]
    SorryServer(String),
    /// The target was removed from the configuration.
    #[error(
        "`{target}` takes no drain and no weight: it is no longer configured, gets no new \
         connections, and is removed when its last one has ended, at the latest at {}",
        humantime::format_rfc3339_seconds(*.deadline)
    )]
    Leaving {
        /// As it was said.
        target: String,
        /// When it is removed whatever is left.
        deadline: SystemTime,
    },
    /// The target was removed from the configuration, and nobody has taken its place.
    #[error(
        "`{0}` takes no drain and no weight: it is no longer configured, and serves until a \
         configured real server of its service does; to be rid of it now, take the service out \
         of the configuration and reload"
    )]
    StillServes(String),
    /// The target matches nothing.
    #[error("{unknown}: see `{status}` for what there is")]
    Unknown {
        /// What was looked for, and what was probably meant.
        unknown: UnknownTarget,
        /// The command line that shows the names.
        status: String,
    },
}

#[cfg(test)]
mod tests;
