//! Watched connections: one idle connection to each address and port whose check has `watch`. Its
//! end brings the next probe forward, and is never a verdict.

mod budget;
mod connection;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use self::budget::Budget;
use self::connection::End;
use self::state::{Action, State};
use super::{ProbeId, ProbeRate, ProbeSpec, ProbeTarget, SharedProbeRate};
use crate::config::Origin;
use crate::model::{ProbeResult, Watching};
use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// Where a connection leads to, and where it comes from.
type Key = (SocketAddr, Origin);

/// The watched connections of all probes.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_key: BTreeMap<Key, Weak<Watch>>,
    budget: Arc<Shared<Budget>>,
}

/// One watched connection. It is closed when nobody has this any more.
#[derive(Debug)]
struct Watch {
    key: Key,
    budget: Arc<Shared<Budget>>,
    inner: Shared<Inner>,
    /// What is shown of it.
    shown: Arc<Shared<Watching>>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    /// The probes of this address and port.
    probes: BTreeMap<ProbeId, Arc<SharedProbeRate>>,
    /// The task that holds the connection, while there is one.
    task: Option<AbortHandle>,
    /// The number of that task: another one has nothing to say any more.
    number: u64,
}

/// One probe's part in a watched connection, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct WatchedProbe {
    probe: ProbeId,
    watch: Arc<Watch>,
}

/// Where the connection of a probe leads to; `None` if its check has none.
fn key(spec: &ProbeSpec) -> Option<Key> {
    let check = spec.check.watch.then_some(&spec.check)?;
    let port = check.kind.watched_port(spec.target.port())?;
    let target = SocketAddr::new(spec.target.ip(), port);
    Some((target, check.origin.clone()))
}

/// How many connections the probes hold at most.
pub(crate) fn watched_connections(targets: &[ProbeTarget]) -> usize {
    let keys = targets.iter().filter_map(|target| key(&target.spec));
    keys.collect::<BTreeSet<_>>().len()
}

impl Watches {
    /// The part of this probe in the connection to its address and port, if its check has `watch`.
    pub(super) fn watch(
        &mut self,
        spec: &ProbeSpec,
        probe: ProbeId,
        rate: &Arc<SharedProbeRate>,
    ) -> Option<Box<WatchedProbe>> {
        let key = key(spec)?;
        let found = self.by_key.get(&key).and_then(Weak::upgrade);
        let watch = found.unwrap_or_else(|| {
            let watch = Arc::new(Watch {
                key: key.clone(),
                budget: Arc::clone(&self.budget),
                inner: Shared::default(),
                shown: Arc::default(),
            });
            self.by_key.insert(key, Arc::downgrade(&watch));
            watch
        });
        {
            let mut inner = watch.inner.lock();
            inner.probes.insert(probe, Arc::clone(rate));
            inner.state.added(probe);
        }
        // Boxed for the sake of all probes that have none.
        Some(Box::new(WatchedProbe { probe, watch }))
    }

    /// Forgets the connections that no probe has any more.
    pub(super) fn forget_unused(&mut self) {
        self.by_key.retain(|_, watch| watch.strong_count() > 0);
    }
}

impl WatchedProbe {
    /// To be called with each result of the probe, and its rate.
    pub(super) fn probed(&self, result: ProbeResult, rate: ProbeRate, now: Instant) {
        let passed = result.evidence();
        self.watch
            .change(now, |state| state.probed(self.probe, passed, rate, now));
    }

    /// To be called when the real server is up, without doubt.
    pub(super) fn up(&self, now: Instant) {
        self.watch.change(now, |state| state.up(self.probe, now));
    }

    /// What is shown of the connection.
    pub(super) fn shown(&self) -> Arc<Shared<Watching>> {
        Arc::clone(&self.watch.shown)
    }
}

impl Drop for WatchedProbe {
    fn drop(&mut self) {
        self.watch.inner.lock().probes.remove(&self.probe);
        let now = clock::monotonic();
        self.watch.change(now, |state| state.removed(self.probe));
    }
}

impl Watch {
    /// Carries out what follows from a change of the state.
    fn change(self: &Arc<Self>, now: Instant, change: impl FnOnce(&mut State) -> Action) {
        let mut inner = self.inner.lock();
        match change(&mut inner.state) {
            Action::Nothing => {}
            Action::Open => {
                inner.close();
                let hold = hold(Arc::downgrade(self), inner.number);
                inner.task = Some(tokio::spawn(hold).abort_handle());
            }
            Action::Close => inner.close(),
        }
        *self.shown.lock() = inner.state.watching(now);
    }

    fn opened(&self, number: u64) {
        let now = clock::monotonic();
        let mut inner = self.inner.lock();
        if inner.number == number {
            inner.state.opened(now);
            *self.shown.lock() = inner.state.watching(now);
        }
    }

    fn ended(&self, number: u64, end: End) {
        let now = clock::monotonic();
        let mut inner = self.inner.lock();
        if inner.number != number {
            return;
        }
        inner.task = None;
        let probes = inner.state.ended(end, now);
        *self.shown.lock() = inner.state.watching(now);
        for rate in probes.iter().filter_map(|probe| inner.probes.get(probe)) {
            if self.budget.lock().take(now) {
                rate.bring_forward();
            }
        }
    }
}

impl Inner {
    fn close(&mut self) {
        self.number += 1;
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.lock().close();
    }
}

/// Makes the connection and holds it to its end.
///
/// The making is boxed: it takes more memory than the connection that is held.
async fn hold(watch: Weak<Watch>, number: u64) {
    let end = match Box::pin(open(&watch)).await {
        None => return,
        Some(Err(end)) => end,
        Some(Ok(stream)) => {
            if let Some(watch) = watch.upgrade() {
                watch.opened(number);
            }
            connection::end(stream).await
        }
    };
    if let Some(watch) = watch.upgrade() {
        watch.ended(number, end);
    }
}

/// `None` if no probe has the connection any more.
async fn open(watch: &Weak<Watch>) -> Option<Result<TcpStream, End>> {
    let (target, origin) = watch.upgrade()?.key.clone();
    Some(connection::open(target, &origin).await)
}

#[cfg(test)]
mod tests;
