//! The task of each probe: the task waits for the schedule, runs the check and reports
//! the outcome.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::probe_rate::Woken;
use super::schedule::{Intervals, Schedule, WakeAction};
use super::watch::{WatchedProbe, Watches};
use super::{Outcome, ProbeId, ProbeIdentity, ProbeSpec, ProbeTarget, Prober, SharedProbeRate};
use crate::diagnosis::Fix;
use crate::model::{ProbeResult, Watching};
use crate::runtime::shared::Shared;
use crate::runtime::{clock, panics};

/// The handle by which health knows and steers a recurring probe.
#[derive(Debug, Clone)]
pub(crate) struct ProbeHandle {
    /// What its reports are known by.
    pub(crate) id: ProbeId,
    /// How urgent its next outcome is; health sets it.
    pub(crate) rate: Arc<SharedProbeRate>,
    /// The watched connection, for a check with `watch`.
    pub(crate) watch: Option<Arc<Shared<Watching>>>,
}

/// One probe that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeReport {
    /// Which.
    pub(crate) probe: ProbeId,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// When it started.
    pub(crate) started: Instant,
    /// When it started, for people.
    pub(crate) at: SystemTime,
}

/// The tasks of all probes of this process. They end when this is dropped, those in flight included.
#[must_use = "the probes end when this is dropped"]
pub(crate) struct ProbeTasks {
    prober: Arc<Prober>,
    reports: mpsc::Sender<ProbeReport>,
    /// In the order of the targets.
    running: Vec<(ProbeIdentity, (ProbeHandle, ProbeTask))>,
    watches: Watches,
    next: u32,
}

/// One probe's task, which ends when this is dropped.
#[derive(Debug)]
struct ProbeTask(JoinHandle<()>);

impl Drop for ProbeTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ProbeTasks {
    /// None yet; all will report to `reports`. While that is full, probes wait
    /// with their report, and leave out what falls due meanwhile.
    pub(crate) fn new(prober: Prober, reports: mpsc::Sender<ProbeReport>) -> Self {
        Self {
            prober: Arc::new(prober),
            reports,
            running: Vec::new(),
            watches: Watches::default(),
            next: 0,
        }
    }

    /// Makes these the probes that run, and tells each one, in their order.
    /// One that runs already goes on undisturbed, at its rate. The new ones of
    /// one interval are spread over it from now on.
    #[expect(
        clippy::mutable_key_type,
        reason = "a regular expression is ordered by its text, and only its cache changes"
    )]
    pub(crate) fn change_to(&mut self, targets: &[ProbeTarget]) -> Vec<ProbeHandle> {
        let mut before: BTreeMap<_, _> = std::mem::take(&mut self.running).into_iter().collect();
        self.running.reserve_exact(targets.len());
        let start = clock::monotonic();
        let mut counts: BTreeMap<Duration, u32> = BTreeMap::new();
        for target in targets
            .iter()
            .filter(|t| !before.contains_key(&ProbeIdentity::of(&t.spec)))
        {
            *counts.entry(target.spec.check.interval).or_default() += 1;
        }
        let mut indexes: BTreeMap<Duration, u32> = BTreeMap::new();
        let mut shared: Arc<Intervals> = Arc::default();
        let mut probes = Vec::with_capacity(targets.len());
        for target in targets {
            let identity = ProbeIdentity::of(&target.spec);
            let found = before.remove_entry(&identity);
            let (identity, running) = found.unwrap_or_else(|| {
                let check = &target.spec.check;
                let count = counts.get(&check.interval).copied().unwrap_or_default();
                let index = indexes.entry(check.interval).or_default();
                let intervals = Intervals {
                    normal: check.interval,
                    fast: check.fast_interval,
                    down: check.down_interval,
                };
                if *shared != intervals {
                    shared = Arc::new(intervals);
                }
                let schedule = Schedule::spread(start, Arc::clone(&shared), *index, count);
                *index += 1;
                let started = self.start(Arc::clone(&target.spec), schedule);
                (identity, started)
            });
            probes.push(running.0.clone());
            self.running.push((identity, running));
        }
        drop(before);
        self.watches.forget_unused();
        probes
    }

    /// What each asks, in the order of the targets.
    pub(crate) fn specs(&self) -> impl Iterator<Item = &Arc<ProbeSpec>> {
        self.running.iter().map(|(identity, _)| identity.spec())
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    fn start(&mut self, spec: Arc<ProbeSpec>, schedule: Schedule) -> (ProbeHandle, ProbeTask) {
        let id = ProbeId(self.next);
        self.next = self.next.wrapping_add(1);
        let rate = Arc::new(SharedProbeRate::new(spec.check.watch));
        let watched = self.watches.watch(&spec, id, &rate);
        let watch = watched.as_deref().map(WatchedProbe::shown);
        let prober = Arc::clone(&self.prober);
        let probe = move || {
            let prober = Arc::clone(&prober);
            let spec = Arc::clone(&spec);
            async move { prober.probe_spec(&spec).await }
        };
        let reports = self.reports.clone();
        let task = run(id, schedule, Arc::clone(&rate), probe, reports, watched);
        (
            ProbeHandle { id, rate, watch },
            ProbeTask(tokio::spawn(task)),
        )
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
    rate: Arc<SharedProbeRate>,
    probe: P,
    reports: mpsc::Sender<ProbeReport>,
    watched: Option<Box<WatchedProbe>>,
) -> impl Future<Output = ()>
where
    P: Fn() -> F,
    F: Future<Output = Outcome>,
{
    async move {
        let mut wake = schedule.wake();
        loop {
            let until = schedule.wake_together(wake).into();
            match rate.sleep(pin!(sleep_until(until))).await {
                Woken::InTime => {}
                Woken::MoreUrgent => {
                    wake = schedule.wake();
                    continue;
                }
                Woken::Up => {
                    if let Some(watched) = &watched {
                        watched.up(clock::monotonic());
                    }
                    wake = schedule.wake();
                    continue;
                }
                Woken::BroughtForward => schedule.bring_forward(clock::monotonic()),
            }
            if let WakeAction::Sleep(until) = schedule.on_wake(clock::monotonic(), rate.get()) {
                wake = until;
                continue;
            }
            let Ok(result) = Box::pin(probe_once(id, &probe, &reports)).await else {
                return;
            };
            let now = clock::monotonic();
            schedule.ended(now, result);
            if let Some(watched) = &watched {
                watched.probed(result, rate.get(), now);
            }
            wake = schedule.wake();
        }
    }
}

/// Nobody takes the reports any more.
struct Closed;

async fn probe_once<P, F>(
    id: ProbeId,
    probe: &P,
    reports: &mpsc::Sender<ProbeReport>,
) -> Result<ProbeResult, Closed>
where
    P: Fn() -> F,
    F: Future<Output = Outcome>,
{
    let started = clock::monotonic();
    let at = clock::wall();
    let made = panics::caught(async { probe().await }).await;
    let outcome = made.unwrap_or_else(|message| not_made(&message, started));
    let result = outcome.result;
    let report = ProbeReport {
        probe: id,
        outcome,
        started,
        at,
    };
    reports.send(report).await.map_err(|_| Closed)?;
    Ok(result)
}

/// The agent's own code failed: that says nothing of the real server.
fn not_made(panic: &str, started: Instant) -> Outcome {
    let fix = Fix::on_director(
        "this is an error in lvs-agent: report it, with its version and the lines of the log that \
         begin with `thread`",
    );
    Outcome {
        result: ProbeResult::Internal,
        detail: format!("the agent's own code failed: {panic}"),
        duration: clock::monotonic().saturating_duration_since(started),
        advice: None,
        certificate_expiry: None,
        plain: None,
        vip: None,
        fix: Some(Arc::new(fix)),
    }
}

#[cfg(test)]
mod tests;
