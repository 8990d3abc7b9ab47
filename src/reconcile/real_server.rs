//! The loop of a real server.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::director::{if_it_can_go_on, in_from_now};
use super::host_watch::HostWatch;
use super::observe::KernelObservation;
use super::retry::Retry;
use super::{ChangeCause, ReconcileError, Reconciler};
use crate::config::Config;
use crate::kernel::Ipvs;
use crate::plan::{State, desired};
use crate::runtime::clock;
use crate::runtime::liveness::{Liveness, Loop};
use crate::runtime::signals::Stopping;

/// The warning on a host that is no real server of any service: not yet, or by mistake.
pub(crate) const NOTHING_LISTED: &str = "no virtual service lists an address of this host";

/// Another configuration for a real server.
pub(crate) struct HostChange {
    pub(crate) config: Arc<Config>,
    /// Receives the result of the pass with the new configuration.
    pub(crate) done: oneshot::Sender<Result<(), ReconcileError>>,
}

/// Maintains the VIPs of a real server, and the sysctls that prevent ARP answers for them.
pub(crate) struct RealServerLoop<T> {
    reconciler: Reconciler<T>,
    config: Arc<Config>,
    /// What the last pass desired.
    desired: State,
    retry: Retry,
    next_pass: Instant,
    host: HostWatch,
}

impl<T: Ipvs> RealServerLoop<T> {
    /// Sets the sysctls, then adds the VIPs.
    ///
    /// A VIP is not added while the sysctls that the VIP needs cannot be set. Fails
    /// if the host cannot be read or nothing can be written at all; other failures
    /// are logged and tried again.
    pub(crate) async fn start(
        mut reconciler: Reconciler<T>,
        config: Arc<Config>,
    ) -> Result<Self, ReconcileError> {
        let (desired, observed) = find_desired(&mut reconciler, &config).await?;
        reconciler.interfaces_seen = true;
        if desired.addresses.is_empty() {
            warn!("{NOTHING_LISTED}: there is nothing to do yet");
        }
        let result = reconciler
            .converge(&desired, observed, ChangeCause::Wanted)
            .await;
        reconciler.note(&result);
        let succeeded = result.is_ok();
        if_it_can_go_on(result)?;
        let mut retry = Retry::new(config.real_server.resync_interval);
        let next_pass = in_from_now(retry.after(succeeded));
        Ok(Self {
            reconciler,
            config,
            desired,
            retry,
            next_pass,
            host: HostWatch::new(),
        })
    }

    /// Watches and repairs until `stopping`, which takes effect between operations.
    pub(crate) async fn run(
        mut self,
        mut stopping: Stopping,
        liveness: Arc<Liveness>,
        mut changes: mpsc::Receiver<HostChange>,
    ) -> Self {
        loop {
            liveness.beat(Loop::Reconcile, clock::monotonic());
            tokio::select! {
                biased;
                () = stopping.recv() => return self,
                Some(HostChange { config, done }) = changes.recv() => {
                    self.retry = Retry::new(config.real_server.resync_interval);
                    self.config = config;
                    // Whoever asked may have gone away.
                    let _ = done.send(self.full_pass().await);
                }
                () = sleep_until(self.next_pass) => {
                    // What stands in the way is shown and said by then.
                    let _ = self.full_pass().await;
                }
                () = self.host.due() => self.check_host().await,
            }
        }
    }

    /// Repairs changes by other programs on this host, and adds the VIPs that belong
    /// to a new address of this host, as from DHCP.
    async fn check_host(&mut self) {
        let addresses = self.host.begin();
        let differs = self.reconciler.host_differs(&self.desired, addresses).await
            || (addresses && self.wants_others().await);
        if differs && self.host.may_repair() {
            // What stands in the way is shown and said by then.
            let _ = self.full_pass().await;
        }
    }

    /// Whether this host's present addresses result in other VIPs.
    async fn wants_others(&mut self) -> bool {
        // A kernel that does not tell is asked again by the next pass.
        let found = desired_now(&mut self.reconciler, &self.config).await;
        found.is_ok_and(|desired| desired != self.desired)
    }

    async fn full_pass(&mut self) -> Result<(), ReconcileError> {
        let result = self.converge().await;
        self.reconciler.note(&result);
        self.next_pass = in_from_now(self.retry.after(result.is_ok()));
        result.map(drop)
    }

    async fn converge(&mut self) -> Result<usize, ReconcileError> {
        let (desired, observed) = find_desired(&mut self.reconciler, &self.config).await?;
        let difference = if desired == self.desired {
            ChangeCause::Drift
        } else {
            ChangeCause::Wanted
        };
        self.desired = desired;
        self.reconciler
            .converge(&self.desired, observed, difference)
            .await
    }

    /// `on_exit: remove`: the VIPs go, then the sysctls are as they were.
    pub(crate) async fn remove_all(mut self) -> Result<(), ReconcileError> {
        self.reconciler
            .remove_all(&self.desired)
            .await?
            .into_result()
    }
}

/// The desired and the observed state of this real server.
pub(crate) async fn find_desired<T: Ipvs>(
    reconciler: &mut Reconciler<T>,
    config: &Config,
) -> Result<(State, KernelObservation), ReconcileError> {
    let unneeded = desired::unneeded_by_real_server(config);
    reconciler.failed.set_unneeded(unneeded);
    let desired = desired_now(reconciler, config).await?;
    let observed = reconciler.observe(&desired).await?;
    Ok((desired, observed))
}

async fn desired_now<T: Ipvs>(
    reconciler: &mut Reconciler<T>,
    config: &Config,
) -> Result<State, ReconcileError> {
    let host = reconciler.kernel.addresses.local().await?;
    let owned = reconciler
        .ownership
        .owned
        .addresses
        .iter()
        .map(|owned| owned.address);
    let vips = desired::vips_with_memory(config, &host, owned);
    Ok(desired::real_server(config, &vips))
}
