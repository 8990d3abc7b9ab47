//! Probes of every kind: by the real server's own address, through the VIP, or both.

#[cfg(fuzzing)]
pub(super) mod fuzzing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::check_scope::CheckScope;
use super::combination::ask;
use super::exchange_result::{ExchangeResult, Failure};
use super::haproxy_states::HaproxyStates;
use super::outcome::{both, outcome, path_result};
use super::probing::Probing;
use super::progress::Progress;
use super::vip_path::{Unverified, VipConnection, VipPaths};
use super::{Outcome, ProbeSpec, Route};
use crate::config::{Check, CheckKind, Origin, Via};
use crate::diagnosis::PathResult;
use crate::kernel::Neighbours;
use crate::model::{ProbeResult, short_duration};
use crate::net::tls::{StaleFiles, TlsConfigs};
use crate::runtime::clock;
use crate::runtime::standstill::Standstill;

/// Makes probes of every kind. One of these serves all probes.
pub(crate) struct Prober {
    tls: TlsConfigs,
    neighbours: Mutex<Neighbours>,
    agents: HaproxyStates,
    vip_paths: Option<Arc<VipPaths>>,
    standstill: Arc<Standstill>,
}

/// How the detail of a probe through a VIP begins.
const THROUGH_VIP: &str = "through the VIP: ";

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            tls: TlsConfigs::new(),
            neighbours: Mutex::new(Neighbours::new()),
            agents: HaproxyStates::default(),
            vip_paths: None,
            standstill: Standstill::unknown(),
        }
    }

    /// On a host whose clock was at `reached` before.
    pub(crate) fn with_clock_after(mut self, reached: Option<SystemTime>) -> Self {
        self.tls = self.tls.with_clock_after(reached);
        self
    }

    /// Records in `stale` which files of TLS cannot be read again.
    pub(crate) fn showing(mut self, stale: Arc<StaleFiles>) -> Self {
        self.tls = self.tls.showing(stale);
        self
    }

    /// Loads the TLS configuration of these settings, so that probes have it at once.
    #[cfg(test)]
    pub(super) async fn load_tls(
        &self,
        settings: &crate::config::TlsSettings,
        application: crate::net::tls::Application,
    ) {
        self.tls.config(settings, application).await.unwrap();
    }

    /// Counts no failure against a real server that a standstill of this process may
    /// have caused.
    pub(crate) fn watching(mut self, standstill: Arc<Standstill>) -> Self {
        self.standstill = standstill;
        self
    }

    /// Also probes through VIPs, by these paths.
    pub(crate) fn through(mut self, vip_paths: Arc<VipPaths>) -> Self {
        self.vip_paths = Some(vip_paths);
        self
    }

    /// Asks once, the way that the check says, and is done within its time-out
    /// whatever comes; a second and a third one it takes to tell why the way
    /// through the VIP failed.
    pub(crate) async fn probe_spec(&self, spec: &ProbeSpec) -> Outcome {
        match &spec.route {
            // The state of a probe through a VIP is large, and a plain one need not make room
            // for it.
            Some(route) if spec.check.via != Via::RealServer => {
                Box::pin(self.probe_by_vip(spec, route)).await
            }
            _ => self.probe(spec.target, &spec.check).await,
        }
    }

    async fn probe_by_vip(&self, spec: &ProbeSpec, route: &Route) -> Outcome {
        let through = self.probe_through(route, spec.target.port(), &spec.check);
        if spec.check.via == Via::Both {
            let (through, plain) = tokio::join!(through, self.probe_own_address(spec));
            let through = self.confirm(through, plain.plain, spec, route).await;
            return both(through, plain);
        }
        let (through, beside) = tokio::join!(through, self.probe_beside(spec));
        if through.result.evidence() != Some(false) {
            return match beside {
                None => through,
                Some(beside) => both(through, beside),
            };
        }
        // The own address shows whether the VIP or the whole real server fails.
        let plain = self.probe_own_address(spec).await.plain;
        let through = self.confirm(through, plain, spec, route).await;
        let outcome = match beside {
            None => through,
            Some(beside) => both(through, beside),
        };
        Outcome { plain, ..outcome }
    }

    /// Asks the real server's own address once, whichever way the check says.
    pub(crate) async fn probe_own_address(&self, spec: &ProbeSpec) -> Outcome {
        self.probe_own_address_of(spec, CheckScope::All).await
    }

    /// The same for what of it goes the way of clients.
    pub(crate) async fn probe_as_clients_would(&self, spec: &ProbeSpec) -> Outcome {
        self.probe_own_address_of(spec, CheckScope::ThroughVip)
            .await
    }

    /// The same for what cannot be asked through the VIP, if there is anything.
    pub(crate) async fn probe_beside(&self, spec: &ProbeSpec) -> Option<Outcome> {
        CheckScope::OwnAddress.of(&spec.check.kind).next()?;
        Some(
            self.probe_own_address_of(spec, CheckScope::OwnAddress)
                .await,
        )
    }

    async fn probe_own_address_of(&self, spec: &ProbeSpec, scope: CheckScope) -> Outcome {
        // The source that the way through the VIP needs is of its family; a
        // tunnel may lead to a real server of the other.
        let route = spec.route.as_deref();
        let across = route.is_some_and(|route| route.vip.is_ipv4() != spec.target.is_ipv4());
        let own = if across {
            &Check {
                origin: Origin::default(),
                ..Check::clone(&spec.check)
            }
        } else {
            &*spec.check
        };
        self.probe_in(spec.target, own, scope).await
    }

    /// Asks `target` once, and is done within the check's time-out whatever comes.
    pub(crate) fn probe(&self, target: SocketAddr, check: &Check) -> impl Future<Output = Outcome> {
        self.probe_in(target, check, CheckScope::All)
    }

    async fn probe_in(&self, target: SocketAddr, check: &Check, scope: CheckScope) -> Outcome {
        let started = clock::monotonic();
        // What connects to nothing is silent for a reason of its own.
        let connects = scope.of(&check.kind).any(CheckKind::connects);
        let connected = AtomicBool::new(!connects);
        let result = self.ask_check(target, check, None, scope, &connected).await;
        let is_late = |failure: &Failure| {
            failure.result == ProbeResult::Timeout && failure.path_result.is_none()
        };
        let is_datagram = !connects && scope.of(&check.kind).any(CheckKind::is_of_datagrams);
        let path_result = if is_datagram && result.as_ref().is_err_and(is_late) {
            PathResult::NoDatagramReply
        } else {
            path_result(&result, &connected)
        };
        Outcome {
            plain: Some(path_result),
            ..outcome(result, path_result, started)
        }
    }

    async fn probe_through(&self, route: &Route, port: u16, check: &Check) -> Outcome {
        let started = clock::monotonic();
        let connected = AtomicBool::new(false);
        let entered = match &self.vip_paths {
            Some(vip_paths) => VipConnection::new(vip_paths, route.path),
            None => Err(Unverified::NoKernel),
        };
        let result = match entered {
            Err(error) => Err(Failure::unverified(&error)),
            Ok(vip_connection) => {
                let target = SocketAddr::new(route.vip, port);
                let result = self
                    .ask_check(
                        target,
                        check,
                        Some(&vip_connection),
                        CheckScope::ThroughVip,
                        &connected,
                    )
                    .await;
                let verified = match &result {
                    Ok(_) => vip_connection.verify_pass(),
                    Err(failure) if failure.result.evidence().is_none() => Ok(()),
                    Err(_) => {
                        vip_connection
                            .verify_failure(&check.origin, route.vip)
                            .await
                    }
                };
                match verified {
                    Ok(()) => result,
                    Err(error) => Err(Failure::unverified(&error)),
                }
            }
        };
        let path_result = path_result(&result, &connected);
        let mut outcome = outcome(result, path_result, started);
        outcome.detail.insert_str(0, THROUGH_VIP);
        Outcome {
            vip: Some(path_result),
            ..outcome
        }
    }

    /// Verifies again a failure through the VIP while the real server's own address
    /// passes, since this host itself may have caused the failure.
    async fn confirm(
        &self,
        through: Outcome,
        plain: Option<PathResult>,
        spec: &ProbeSpec,
        route: &Route,
    ) -> Outcome {
        let (Some(vip_paths), Some(PathResult::Passed)) = (&self.vip_paths, plain) else {
            return through;
        };
        let was_connected = match (through.vip, through.result) {
            (Some(PathResult::NoReply | PathResult::Refused | PathResult::Filtered), _) => false,
            (Some(PathResult::WrongAnswer), ProbeResult::Timeout | ProbeResult::Reset) => true,
            _ => return through,
        };
        let check = &spec.check;
        let port = check.kind.clients_port(spec.target.port());
        let target = SocketAddr::new(route.vip, port);
        let confirmed = async {
            let vip_connection = VipConnection::new(vip_paths, route.path)?;
            match vip_connection.source(&check.origin, route.vip) {
                Ok(source) => {
                    vip_connection
                        .verify_again(source, target, check.timeout, was_connected)
                        .await
                }
                Err(_) => Ok(()),
            }
        };
        match confirmed.await {
            Ok(()) => through,
            Err(error) => {
                let Failure {
                    result,
                    detail,
                    fix,
                    ..
                } = Failure::unverified(&error);
                Outcome {
                    fix: fix.map(Arc::new),
                    result,
                    detail: format!("{THROUGH_VIP}{detail}"),
                    vip: Some(PathResult::Unknown),
                    ..through
                }
            }
        }
    }

    async fn ask_check(
        &self,
        target: SocketAddr,
        check: &Check,
        vip_connection: Option<&VipConnection>,
        scope: CheckScope,
        connected: &AtomicBool,
    ) -> ExchangeResult {
        let started = clock::monotonic();
        let deadline = Instant::from_std(started) + check.timeout;
        let probing = Probing {
            target,
            origin: &check.origin,
            deadline,
            timeout: check.timeout,
            tls: &self.tls,
            neighbours: &self.neighbours,
            agents: &self.agents,
            vip_connection,
            scope,
            connected,
            progress: &Arc::new(Progress::new(check.timeout)),
        };
        let result = ask(&probing, &check.kind).await;
        result.map_err(|failure| self.unless_it_stood_still(failure, started, check.timeout))
    }

    /// A standstill of a quarter of the time-out may make a probe late, and a
    /// server may give up a connection that is left alone for the whole of it.
    fn unless_it_stood_still(
        &self,
        failure: Failure,
        started: std::time::Instant,
        timeout: Duration,
    ) -> Failure {
        let enough = match failure.result {
            ProbeResult::Timeout => timeout / 4,
            ProbeResult::Ok
            | ProbeResult::Refused
            | ProbeResult::Reset
            | ProbeResult::Unreachable
            | ProbeResult::Tls
            | ProbeResult::Protocol
            | ProbeResult::Status
            | ProbeResult::Body
            | ProbeResult::Unverified
            | ProbeResult::Internal => timeout,
        };
        let now = clock::monotonic();
        let still = self.standstill.between(started, now);
        if still.is_zero() || still < enough {
            return failure;
        }
        let [still, all] = [still, now.saturating_duration_since(started)].map(short_duration);
        Failure::internal(format!(
            "this host stood still for {still} of the {all} that the probe took"
        ))
        .with_director_fix(
            "see what held it up: `vmstat 1` (columns st and wa), `uptime`, a virtual machine that \
             was suspended",
        )
    }
}

#[cfg(test)]
mod tests;
