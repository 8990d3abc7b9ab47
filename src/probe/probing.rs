#[cfg(fuzzing)]
pub(super) mod fuzzing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::checks::haproxy_agent::AgentStates;
use super::checks::{agent, dns, exec, file, grpc, haproxy_agent, http, ping, stream, udp};
use super::combination::{self, CheckScope};
use super::connect::{self, Stream};
use super::fix;
use super::progress::{Activity, Progress};
use super::verdict::{Failure, Verdict};
use super::{Outcome, ProbeSpec, Route};
use crate::config::{Check, CheckKind, Origin, Via};
use crate::diagnosis::PathResult;
use crate::kernel::Neighbours;
use crate::model::{ProbeResult, short_duration};
use crate::net::tls::{StaleFiles, TlsConfigs};
use crate::probe::vip_path::{Unverified, VipConnection, VipPaths};
use crate::runtime::clock;
use crate::runtime::printable::printable;
use crate::runtime::standstill::Standstill;

/// Makes probes of every kind. One of these serves all probes.
pub(crate) struct Prober {
    tls: TlsConfigs,
    neighbours: Mutex<Neighbours>,
    agents: AgentStates,
    vip_paths: Option<Arc<VipPaths>>,
    standstill: Arc<Standstill>,
}

/// How the detail of a probe through a VIP begins.
const THROUGH_VIP: &str = "through the VIP: ";

/// The context of one probe for the kinds of check.
#[derive(Clone, Copy)]
pub(super) struct Probing<'a> {
    target: SocketAddr,
    pub(super) origin: &'a Origin,
    /// The end of the whole probe.
    pub(super) deadline: Instant,
    /// From the start to the deadline.
    pub(super) timeout: Duration,
    pub(super) tls: &'a TlsConfigs,
    pub(super) neighbours: &'a Mutex<Neighbours>,
    pub(super) agents: &'a AgentStates,
    /// The connection through the VIP, if the VIP is the target.
    vip_connection: Option<&'a VipConnection>,
    pub(super) scope: CheckScope,
    /// Whether a connection was made.
    connected: &'a AtomicBool,
    pub(super) progress: &'a Arc<Progress>,
}

impl Probing<'_> {
    /// The address of the real server with this port, or with its own.
    pub(super) fn target(&self, port: Option<u16>) -> SocketAddr {
        SocketAddr::new(self.target.ip(), port.unwrap_or(self.target.port()))
    }

    /// A connection over TCP, on the path of the probe.
    pub(super) async fn connect(&self, target: SocketAddr) -> Result<Stream, Failure> {
        let stream = match self.vip_connection {
            None => connect::tcp(target, self.origin, self.progress).await?,
            Some(vip_connection) => {
                connect::through(vip_connection, target, self.origin, self.progress).await?
            }
        };
        self.connected.store(true, Ordering::Relaxed);
        Ok(stream)
    }

    /// The deadline of local work, such as reading files. It is before the deadline
    /// of the probe, so that a local delay never counts against the real server.
    pub(super) fn own_deadline(&self) -> Instant {
        self.deadline - self.timeout / 10
    }

    /// The deadline has passed.
    pub(super) fn late(&self) -> Failure {
        self.progress.late()
    }

    /// Records the current activity of the probe.
    pub(super) fn begin(&self, activity: Activity) {
        self.progress.begin(activity);
    }

    /// A word of a command or a path, with the address and port of the real server.
    pub(super) fn fill_in(&self, text: &str) -> String {
        text.replace(crate::config::ADDRESS, &self.target.ip().to_string())
            .replace(crate::config::PORT, &self.target.port().to_string())
    }
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            tls: TlsConfigs::new(),
            neighbours: Mutex::new(Neighbours::new()),
            agents: AgentStates::default(),
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
        let ProbeSpec {
            target,
            check,
            route,
        } = spec;
        let Some(route) = route else {
            return self.probe(*target, check).await;
        };
        match check.via {
            Via::RealServer => self.probe(*target, check).await,
            Via::Vip => {
                let through = self.probe_through(route, target.port(), check);
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
            Via::Both => {
                let through = self.probe_through(route, target.port(), check);
                let (through, plain) = tokio::join!(through, self.probe_own_address(spec));
                let through = self.confirm(through, plain.plain, spec, route).await;
                both(through, plain)
            }
        }
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
        let route = spec.route.as_ref();
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
    pub(crate) async fn probe(&self, target: SocketAddr, check: &Check) -> Outcome {
        self.probe_in(target, check, CheckScope::All).await
    }

    async fn probe_in(&self, target: SocketAddr, check: &Check, scope: CheckScope) -> Outcome {
        let started = clock::monotonic();
        // What connects to nothing is silent for a reason of its own.
        let connects = scope.of(&check.kind).any(CheckKind::connects);
        let connected = AtomicBool::new(!connects);
        let verdict = self
            .ask_in_time(target, check, None, scope, &connected)
            .await;
        let is_late = |failure: &Failure| failure.result == ProbeResult::Timeout;
        let is_datagram = !connects && scope.of(&check.kind).any(CheckKind::is_of_datagrams);
        let path_result = if is_datagram && verdict.as_ref().is_err_and(is_late) {
            PathResult::NoDatagramReply
        } else {
            path_result(&verdict, &connected)
        };
        Outcome {
            plain: Some(path_result),
            ..outcome(verdict, path_result, started)
        }
    }

    async fn probe_through(&self, route: &Route, port: u16, check: &Check) -> Outcome {
        let started = clock::monotonic();
        let connected = AtomicBool::new(false);
        let entered = match &self.vip_paths {
            Some(vip_paths) => vip_paths.open(route.path),
            None => Err(Unverified::NoKernel),
        };
        let verdict = match entered {
            Err(error) => Err(Failure::unverified(&error)),
            Ok(vip_connection) => {
                let target = SocketAddr::new(route.vip, port);
                let verdict = self
                    .ask_in_time(
                        target,
                        check,
                        Some(&vip_connection),
                        CheckScope::ThroughVip,
                        &connected,
                    )
                    .await;
                let verified = match &verdict {
                    Ok(_) => vip_connection.verify_pass(),
                    Err(failure) if failure.result.evidence().is_none() => Ok(()),
                    Err(_) => {
                        vip_connection
                            .verify_failure(&check.origin, route.vip)
                            .await
                    }
                };
                match verified {
                    Ok(()) => verdict,
                    Err(error) => Err(Failure::unverified(&error)),
                }
            }
        };
        let path_result = path_result(&verdict, &connected);
        let mut outcome = outcome(verdict, path_result, started);
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
            let vip_connection = vip_paths.open(route.path)?;
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

    async fn ask_in_time(
        &self,
        target: SocketAddr,
        check: &Check,
        vip_connection: Option<&VipConnection>,
        scope: CheckScope,
        connected: &AtomicBool,
    ) -> Verdict {
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
        let verdict = ask(probing, &check.kind).await;
        verdict.map_err(|failure| self.unless_it_stood_still(failure, started, check.timeout))
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

/// The outcome, without the result by path.
fn outcome(verdict: Verdict, path_result: PathResult, started: std::time::Instant) -> Outcome {
    let duration = clock::monotonic().saturating_duration_since(started);
    let (plain, vip) = (None, None);
    // Whatever of it came from the server, and by whichever check.
    let shown = |detail: String| printable(&detail);
    match verdict {
        Ok(pass) => Outcome {
            result: ProbeResult::Ok,
            detail: shown(pass.detail),
            duration,
            advice: pass.advice,
            certificate_expiry: pass.certificate_expiry,
            plain,
            vip,
            fix: None,
        },
        Err(failure) => Outcome {
            fix: failure
                .fix
                .or_else(|| fix::by_result(failure.result, path_result))
                .map(Arc::new),
            result: failure.result,
            detail: shown(failure.detail),
            duration,
            advice: None,
            certificate_expiry: None,
            plain,
            vip,
        },
    }
}

/// Both must pass. A failure of the real server's own address is one whatever
/// the way through the VIP says; without one, what is unverified stays so.
fn both(through: Outcome, plain: Outcome) -> Outcome {
    let (seen_plain, seen_vip) = (plain.plain, through.vip);
    let decides = match (plain.result.evidence(), through.result.evidence()) {
        (Some(false), _) | (None, Some(true)) => plain,
        (_, Some(false) | None) => through,
        (Some(true), Some(true)) => {
            let ends = [plain.certificate_expiry, through.certificate_expiry];
            Outcome {
                detail: format!("{}; {}", plain.detail, through.detail),
                duration: plain.duration.max(through.duration),
                certificate_expiry: ends.into_iter().flatten().min(),
                ..plain
            }
        }
    };
    Outcome {
        plain: seen_plain,
        vip: seen_vip,
        ..decides
    }
}

fn path_result(verdict: &Verdict, connected: &AtomicBool) -> PathResult {
    let Err(failure) = verdict else {
        return PathResult::Passed;
    };
    if let Some(path_result) = failure.path_result {
        return path_result;
    }
    match failure.result {
        ProbeResult::Ok => PathResult::Passed,
        ProbeResult::Refused => PathResult::Refused,
        ProbeResult::Timeout if !connected.load(Ordering::Relaxed) => PathResult::NoReply,
        ProbeResult::Unreachable => PathResult::NoNeighbour,
        ProbeResult::Timeout
        | ProbeResult::Reset
        | ProbeResult::Tls
        | ProbeResult::Protocol
        | ProbeResult::Status
        | ProbeResult::Body => PathResult::WrongAnswer,
        ProbeResult::Internal | ProbeResult::Unverified => PathResult::Unknown,
    }
}

async fn ask(probing: Probing<'_>, kind: &CheckKind) -> Verdict {
    match kind {
        CheckKind::All(parts) => Box::pin(combination::all(probing, parts)).await,
        CheckKind::Any(parts) => Box::pin(combination::any(probing, parts)).await,
        CheckKind::Http(_)
        | CheckKind::Stream(_)
        | CheckKind::Udp(_)
        | CheckKind::Dns(_)
        | CheckKind::Ping
        | CheckKind::Grpc(_)
        | CheckKind::Exec(_)
        | CheckKind::File(_)
        | CheckKind::HaproxyAgent(_)
        | CheckKind::Agent(_) => ask_in_time(probing, kind).await,
    }
}

/// One part of a combination, which has a progress of its own.
pub(super) async fn ask_one(probing: Probing<'_>, kind: &CheckKind) -> Verdict {
    let progress = Progress::new(probing.timeout);
    let probing = Probing {
        progress: &Arc::new(progress),
        ..probing
    };
    ask_in_time(probing, kind).await
}

/// Ends by the deadline, and then names the current activity.
async fn ask_in_time(probing: Probing<'_>, kind: &CheckKind) -> Verdict {
    match tokio::time::timeout_at(probing.deadline, ask_kind(probing, kind)).await {
        Ok(Err(failure)) => Err(probing.progress.stopped().unwrap_or(failure)),
        Ok(pass) => pass,
        Err(_) => Err(probing.late()),
    }
}

/// All kinds but plain HTTP's are boxed: a probe of that kind, of which there
/// may be many thousands, need not make room for the largest of the others.
async fn ask_kind(probing: Probing<'_>, kind: &CheckKind) -> Verdict {
    match kind {
        CheckKind::Http(check) => http::probe(probing, check).await,
        CheckKind::Stream(check) => Box::pin(stream::probe(probing, check)).await,
        CheckKind::Udp(check) => Box::pin(udp::probe(probing, check)).await,
        CheckKind::Dns(check) => Box::pin(dns::probe(probing, check)).await,
        CheckKind::Ping => Box::pin(ping::probe(probing)).await,
        CheckKind::Grpc(check) => Box::pin(grpc::probe(probing, check)).await,
        CheckKind::Exec(check) => Box::pin(exec::probe(probing, check)).await,
        CheckKind::File(check) => Box::pin(file::probe(probing, check)).await,
        CheckKind::HaproxyAgent(check) => Box::pin(haproxy_agent::probe(probing, check)).await,
        CheckKind::Agent(check) => Box::pin(agent::probe(probing, check)).await,
        CheckKind::All(_) | CheckKind::Any(_) => {
            Err(Failure::internal("a combination within another"))
        }
    }
}

#[cfg(test)]
mod tests;
