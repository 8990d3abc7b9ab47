//! The tasks that watch the director's own link.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::agent::tasks::spawn_named;
use crate::config::Config;
use crate::health::LinkInputs;
use crate::kernel::TableKind;
use crate::link::arp_audit::{self, Announcing, HostPresenceChannels};
use crate::link::carrier;
use crate::model::ArpConflicts;
use crate::reconcile::Writing;
use crate::status::Snapshot;

/// Starts the tasks. The returned sender gives the ARP audit further configurations.
///
/// Probes go over the link also with a table inside this process, which may be a trial
/// on a host without the link.
pub(super) fn watch_link(
    tasks: &mut JoinSet<&'static str>,
    config: &Arc<Config>,
    snapshot: &Snapshot,
    (writing, table): (Writing, TableKind),
) -> (LinkInputs, watch::Sender<Arc<Config>>) {
    let (problem, link) = watch::channel(None);
    let (to_audit, audited) = watch::channel(Arc::clone(config));
    let watched = carrier::watch(audited.clone(), problem, table == TableKind::Memory);
    spawn_named(tasks, "link", watched);
    let (found, arp_conflicts) = watch::channel(ArpConflicts::new());
    let (unresponsive, not_answering) = watch::channel(BTreeSet::new());
    let (there, present) = watch::channel(BTreeSet::new());
    let hosts = HostPresenceChannels {
        unresponsive: not_answering,
        present: there,
    };
    let announcing = match (writing, table) {
        (Writing::Real, TableKind::Kernel) => Announcing::Vips,
        (Writing::Real, TableKind::Memory) | (Writing::DryRun, _) => Announcing::Nothing,
    };
    let record = Arc::clone(&snapshot.arp);
    let audit = arp_audit::run(audited, announcing, link.clone(), record, found, hosts);
    spawn_named(tasks, "ARP audit", audit);
    let link_inputs = LinkInputs {
        link,
        arp_conflicts,
        unresponsive,
        present,
    };
    (link_inputs, to_audit)
}
