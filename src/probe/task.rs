use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::schedule::{Intervals, Schedule, Woken};
use super::{Outcome, PaceCell, Prober};
use crate::clock;
use crate::config::Check;

/// Number of a probe: its place in the list given to [`spawn_all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProbeId(pub(crate) u32);

/// What is probed, and how.
#[derive(Debug, Clone)]
pub(crate) struct ProbeSpec {
    /// RIP, and the check's port.
    pub(crate) target: SocketAddr,
    /// What is asked, how often, and how long is waited; its rise and fall do not matter here.
    pub(crate) check: Arc<Check>,
    /// How urgent the next outcome is; health sets it.
    pub(crate) pace: Arc<PaceCell>,
}

/// One probe that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Which.
    pub(crate) probe: ProbeId,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// When it started.
    pub(crate) started: Instant,
    /// When it started, for people.
    pub(crate) at: SystemTime,
}

/// All probes of this process. They end when this is dropped, those in flight included.
#[derive(Debug)]
#[must_use = "the probes end when this is dropped"]
pub(crate) struct Probes {
    _tasks: Vec<ProbeTask>,
}

/// One probe's task, which ends when this is dropped.
#[derive(Debug)]
struct ProbeTask(JoinHandle<()>);

impl Drop for ProbeTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts every probe, with those of one interval spread over it from now on;
/// each reports under its place in `specs`.
///
/// While `reports` is full, probes wait with their report, and leave out what
/// falls due meanwhile.
pub(crate) fn spawn_all(
    prober: &Arc<Prober>,
    specs: Vec<ProbeSpec>,
    reports: &mpsc::Sender<Report>,
) -> Probes {
    let start = clock::monotonic();
    let mut counts: BTreeMap<Duration, u32> = BTreeMap::new();
    for spec in &specs {
        *counts.entry(spec.check.interval).or_default() += 1;
    }
    let mut indexes: BTreeMap<Duration, u32> = BTreeMap::new();
    let tasks = (0..).zip(specs).map(|(id, spec)| {
        let interval = spec.check.interval;
        let count = counts.get(&interval).copied().unwrap_or_default();
        let index = indexes.entry(interval).or_default();
        let intervals = Intervals {
            steady: interval,
            doubt: spec.check.fast_interval,
            down: spec.check.down_interval,
        };
        let schedule = Schedule::spread(start, intervals, *index, count);
        *index += 1;
        let prober = Arc::clone(prober);
        let pace = Arc::clone(&spec.pace);
        let probe = move || {
            let prober = Arc::clone(&prober);
            let ProbeSpec { target, check, .. } = spec.clone();
            async move { prober.probe(target, &check).await }
        };
        ProbeTask(tokio::spawn(run(
            ProbeId(id),
            schedule,
            pace,
            probe,
            reports.clone(),
        )))
    });
    Probes {
        _tasks: tasks.collect(),
    }
}

/// Probes on schedule until nobody takes the reports.
///
/// The probe in flight is boxed: a task's memory is that of its largest state,
/// and at any instant nearly all of the tasks are asleep.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps every argument twice, and there are many thousands of these"
)]
fn run<P, F>(
    id: ProbeId,
    mut schedule: Schedule,
    pace: Arc<PaceCell>,
    probe: P,
    reports: mpsc::Sender<Report>,
) -> impl Future<Output = ()>
where
    P: Fn() -> F,
    F: Future<Output = Outcome>,
{
    async move {
        let mut wake = schedule.wake();
        loop {
            tokio::time::sleep_until(wake.into()).await;
            if let Woken::Sleep(until) = schedule.woke(clock::monotonic(), pace.get()) {
                wake = until;
                continue;
            }
            if Box::pin(probe_once(id, &probe, &reports)).await.is_err() {
                return;
            }
            schedule.ended(clock::monotonic());
            wake = schedule.wake();
        }
    }
}

/// Nobody takes the reports any more.
struct Closed;

async fn probe_once<P, F>(
    id: ProbeId,
    probe: &P,
    reports: &mpsc::Sender<Report>,
) -> Result<(), Closed>
where
    P: Fn() -> F,
    F: Future<Output = Outcome>,
{
    let started = clock::monotonic();
    let at = clock::wall();
    let outcome = probe().await;
    let report = Report {
        probe: id,
        outcome,
        started,
        at,
    };
    reports.send(report).await.map_err(|_| Closed)
}

#[cfg(test)]
mod tests;
