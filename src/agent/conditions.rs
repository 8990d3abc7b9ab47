//! What keeps the registry of conditions current, in both roles.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};
use tokio::time::sleep;

use crate::config::{CheckKind, Config};
use crate::http::SharedState;
use crate::model::{Condition, ConditionType, Role, Severity};
use crate::notify::{Event, Events};
use crate::probe::{ProbeTarget, watched_connections};
use crate::runtime::clock;
use crate::runtime::file_work::{self, FileUse};
use crate::status::{Conditions, Examiner, Snapshot};

/// From one step of the examination to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// How long the look at a damaged state file may take.
const LOOK: Duration = Duration::from_millis(500);

/// From now on, each change of a condition is an event as well.
pub(crate) fn start(snapshot: &Snapshot, events: &Arc<Events>, config: &Config, in_kernel: bool) {
    let events = Arc::clone(events);
    let conditions = &snapshot.conditions;
    conditions.listen(move |change| events.emit(Event::of_condition(change)));
    examine_capabilities(conditions, config, snapshot.role, in_kernel);
}

/// Derives conditions from the newest snapshot, again and again.
pub(crate) async fn watch(shown: SharedState) -> Infallible {
    let mut examiner = Examiner::default();
    loop {
        let snapshot = shown.view().snapshot;
        examiner.step(&snapshot, clock::wall());
        clear_removed_files(&snapshot.conditions).await;
        sleep(PERIOD).await;
    }
}

/// Clears the conditions of damaged state files that are not there any more.
async fn clear_removed_files(conditions: &Conditions) {
    let kind = ConditionType::StateFileDamaged;
    for Condition { subject, .. } in conditions.of_kind(kind) {
        let path = PathBuf::from(&subject);
        let deadline = clock::monotonic() + LOOK;
        let look = {
            let path = path.clone();
            move || fs::symlink_metadata(path).err()
        };
        let found = file_work::run(FileUse::State, &path, deadline.into(), look).await;
        let is_gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
        if found.is_ok_and(|error| error.is_some_and(is_gone)) {
            conditions.clear(kind, &subject);
        }
    }
}

/// Raises a condition for each capability that the configuration needs and the
/// process lacks. A process never gains capabilities, so this is examined with
/// each configuration only.
pub(crate) fn examine_capabilities(
    conditions: &Conditions,
    config: &Config,
    role: Role,
    in_kernel: bool,
) {
    // A kernel that does not tell gives no reason to complain.
    let Ok(capabilities) = capabilities(None) else {
        return;
    };
    let found = missing(config, role, in_kernel, capabilities.effective);
    conditions.replace(&[ConditionType::CapabilityMissing], found);
}

/// Open files of everything but probes and watched connections: 512 connections to the endpoints,
/// and what the agent has open itself.
const OTHER_FILES: u64 = 600;

/// Raises a condition if the process may open fewer files than all probes and watched connections
/// of the configuration need where every probe is in flight.
pub(crate) fn examine_descriptors(conditions: &Conditions, targets: &[ProbeTarget]) {
    let found = short_of_descriptors(targets, getrlimit(Resource::Nofile).current);
    conditions.replace(&[ConditionType::DescriptorsShort], found);
}

/// `None` is no limit.
fn short_of_descriptors(targets: &[ProbeTarget], limit: Option<u64>) -> Option<Condition> {
    let limit = limit?;
    let (probes, watched) = (targets.len(), watched_connections(targets));
    let needed = OTHER_FILES + u64::try_from(probes + watched).unwrap_or(u64::MAX - OTHER_FILES);
    (limit < needed).then(|| Condition {
        kind: ConditionType::DescriptorsShort,
        subject: "descriptors".to_owned(),
        severity: Severity::Warning,
        message: format!(
            "the process may open {limit} files; {probes} probes and {watched} watched connections \
             need up to {needed}"
        ),
        fix: format!(
            "set `LimitNOFILE={needed}` or more in the agent's unit (`ulimit -Hn {needed}` in a \
             shell), and restart the agent"
        ),
        since: clock::wall(),
    })
}

fn missing(
    config: &Config,
    role: Role,
    in_kernel: bool,
    capabilities: CapabilitySet,
) -> Vec<Condition> {
    let users = role == Role::Director && config.checks_any(CheckKind::runs_by_user);
    let needed = [
        (
            in_kernel,
            CapabilitySet::NET_ADMIN,
            "CAP_NET_ADMIN",
            "the kernel cannot be written",
        ),
        (
            users,
            CapabilitySet::SETUID,
            "CAP_SETUID",
            "programs of checks cannot be run by their `user`",
        ),
        (
            users,
            CapabilitySet::SETGID,
            "CAP_SETGID",
            "programs of checks cannot be run by their `user`",
        ),
    ];
    let missing = needed
        .into_iter()
        .filter(|(is_needed, bit, ..)| *is_needed && !capabilities.contains(*bit));
    let missing = missing.map(|(_, _, name, message)| Condition {
        kind: ConditionType::CapabilityMissing,
        subject: name.to_owned(),
        severity: Severity::Problem,
        message: format!("the process lacks {name}: {message}"),
        fix: format!(
            "run the agent as root, or add {name} to CapabilityBoundingSet= and \
             AmbientCapabilities= of its unit, and restart it"
        ),
        since: clock::wall(),
    });
    missing.collect()
}

#[cfg(test)]
mod tests;
