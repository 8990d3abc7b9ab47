//! The end of connections to a real server that is lost.
//!
//! IPVS keeps an entry for each connection for as long as the client sends,
//! whatever the weight. With `net.ipv4.vs.expire_nodest_conn` it frees the
//! entries of a destination that is not in the table: since Linux 5.9 by work of
//! its own, which begins a tick after the removal and walks all entries, before
//! that one by one as packets come. Entries that it has not come to are kept by
//! a destination that is back too early, which is the same one to the kernel. So
//! the destination stays out for a while, and is put back with weight 0; what
//! is left then is counted, and the whole is done again with a longer while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::fast_path::tell_reset;
use super::{DirectorLoop, in_from_now};
use crate::health::Handling;
use crate::kernel::Ipvs;
use crate::model::{MemberKey, RealServerId, Weight};
use crate::plan::Step;
use crate::reconcile::Writing;
use crate::runtime::error_chain::error_chain;

/// How long a destination stays out of the table, by round.
const WHILES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

/// The real servers that are temporarily out of the table.
#[derive(Debug, Default)]
pub(super) struct Resets {
    out: BTreeMap<MemberKey, Out>,
    /// Those whose connections are to be ended after the pass that goes on.
    postponed: Vec<RealServerId>,
}

#[derive(Debug, Clone, Copy)]
struct Out {
    /// Its index in the configuration.
    id: RealServerId,
    /// The number of rounds before.
    round: usize,
    back: Instant,
}

impl Resets {
    pub(super) fn any(&self) -> bool {
        !self.out.is_empty()
    }

    /// When the first of them returns; a second from now if there is none.
    pub(super) fn next(&self) -> Instant {
        let backs = self.out.values().map(|out| out.back);
        backs
            .min()
            .unwrap_or_else(|| in_from_now(Duration::from_secs(1)))
    }

    /// Adds a real server that is about to be removed; `false` if it is out already.
    pub(super) fn begin(&mut self, key: MemberKey, id: RealServerId) -> bool {
        let new = !self.out.contains_key(&key);
        if new {
            self.set(key, id, 0);
        }
        new
    }

    fn set(&mut self, key: MemberKey, id: RealServerId, round: usize) -> bool {
        let Some(time) = WHILES.get(round) else {
            return false;
        };
        let back = in_from_now(*time);
        self.out.insert(key, Out { id, round, back });
        true
    }

    pub(super) fn is_out(&self, key: &MemberKey) -> bool {
        self.out.contains_key(key)
    }

    /// Forgets a real server, which returns early or stays out.
    pub(super) fn forget(&mut self, key: &MemberKey) {
        self.out.remove(key);
    }

    fn take_due(&mut self, now: Instant) -> BTreeMap<MemberKey, Out> {
        let is_due = |_: &MemberKey, out: &mut Out| out.back <= now;
        self.out.extract_if(.., is_due).collect()
    }
}

impl<T: Ipvs> DirectorLoop<T> {
    /// Returns real servers whose time is up to the table, and removes those with
    /// entries left again.
    pub(super) async fn go_on_with_resets(&mut self) {
        self.recent.forget();
        let due = self.resets.take_due(in_from_now(Duration::ZERO));
        self.put_back(&due).await;
        let mut again = Vec::new();
        let mut table = None;
        for (key, Out { id, round, .. }) in due {
            let (service, real_server) = key;
            if table.as_ref().is_none_or(|(of, _)| *of != service) {
                // Where it cannot be read, nothing more can be done.
                let destinations = self.reconciler.kernel.ipvs.destinations(&service).await;
                table = Some((service, destinations.unwrap_or_default()));
            }
            let destinations = table.as_ref().map(|(_, destinations)| destinations);
            let Some(observed) = destinations.and_then(|table| table.get(&real_server)) else {
                continue;
            };
            let connections = observed.connections;
            let left = connections.active + connections.inactive;
            if left == 0 || observed.destination.weight != Weight::ZERO {
                continue;
            }
            if self.resets.set(key, id, round + 1) {
                again.push(key);
            } else {
                warn!(
                    service = %service, real_server = %real_server, left,
                    "connections to this real server, which is lost, could not be ended; the kernel \
                     frees them as clients send, from Linux 5.9 by itself, and only while \
                     net.ipv4.vs.expire_nodest_conn is 1"
                );
            }
        }
        self.take_out(&again).await;
    }

    /// Lets the connections of a real server be ended after the pass that goes on.
    pub(super) fn postpone_reset(&mut self, id: RealServerId) {
        self.resets.postponed.push(id);
    }

    /// Ends the connections of the real servers for which a pass postponed that, and which are
    /// still without a weight.
    pub(super) async fn begin_postponed_resets(&mut self) {
        let mut begun = Vec::new();
        for id in std::mem::take(&mut self.resets.postponed) {
            let Some((service, record)) = self.reconciler.snapshot.records(id) else {
                continue;
            };
            let key = (service.key, record.key);
            if self.desired.weight(&key.0, &key.1) == Some(Weight::ZERO)
                && self.resets.begin(key, id)
            {
                tell_reset(&service.name, &record.name);
                begun.push(key);
            }
        }
        self.take_out(&begun).await;
    }

    /// Returns all real servers to the table early, and returns their keys.
    pub(super) async fn put_back_all(&mut self) -> Vec<MemberKey> {
        let out = std::mem::take(&mut self.resets.out);
        self.put_back(&out).await;
        out.into_keys().collect()
    }

    /// The resets that are wanted and not begun, of the configuration that ends. A dry run
    /// has none: what it leaves out is pending.
    pub(super) fn unwritten_resets(&self) -> Vec<MemberKey> {
        if self.reconciler.writing == Writing::DryRun {
            return Vec::new();
        }
        let snapshot = &self.reconciler.snapshot;
        let resets = self.weight_updates.take().into_iter();
        let resets = resets.filter(|(_, change)| change.handling == Handling::Reset);
        let keys = resets.filter_map(|(id, _)| {
            let (service, record) = snapshot.records(id)?;
            Some((service.key, record.key))
        });
        keys.collect()
    }

    /// Continues with those that returned early.
    pub(super) async fn reset_again(&mut self, keys: Vec<MemberKey>) {
        if keys.is_empty() {
            return;
        }
        let snapshot = Arc::clone(&self.reconciler.snapshot);
        let ids: BTreeMap<_, _> = snapshot.ids().collect();
        let mut again = Vec::new();
        for key in keys {
            if let Some(id) = ids.get(&key)
                && self.desired.weight(&key.0, &key.1) == Some(Weight::ZERO)
            {
                self.resets.set(key, *id, 0);
                again.push(key);
            }
        }
        self.take_out(&again).await;
    }

    async fn take_out(&mut self, keys: &[MemberKey]) {
        let steps = keys.iter().map(|(service, key)| Step::RemoveDestination {
            service: *service,
            key: *key,
        });
        self.write_resets(steps.collect()).await;
    }

    async fn put_back(&mut self, out: &BTreeMap<MemberKey, Out>) {
        let steps = out.keys().filter_map(|(service, key)| {
            let state = self.desired.services.get(service)?;
            Some(Step::AddDestination {
                service: *service,
                key: *key,
                destination: *state.destinations.get(key)?,
            })
        });
        self.write_resets(steps.collect()).await;
        for out in out.values() {
            if let Some((_, record)) = self.reconciler.snapshot.records(out.id) {
                record.live.lock().kernel = Some(Weight::ZERO);
            }
        }
    }

    /// A refusal of the kernel leads to a full pass.
    async fn write_resets(&mut self, steps: Vec<Step>) {
        if steps.is_empty() {
            return;
        }
        for result in self.reconciler.kernel.ipvs.write(&steps).await {
            if let Err(error) = result {
                debug!(error = error_chain(&error), "looking at the whole table");
                self.next_pass = in_from_now(Duration::ZERO);
            }
        }
    }
}
