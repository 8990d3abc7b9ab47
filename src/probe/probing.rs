//! What one probe of one kind of check has to work with, and its end by the deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::checks::haproxy_agent::AgentStates;
use super::checks::{agent, dns, exec, file, grpc, haproxy_agent, http, ping, stream, udp};
use super::combination::{self, CheckScope};
use super::connect::{self, Stream};
use super::progress::{Activity, Progress};
use super::verdict::{Failure, Verdict};
use super::vip_path::VipConnection;
use crate::config::{CheckKind, Origin};
use crate::kernel::Neighbours;
use crate::net::tls::TlsConfigs;

/// The context of one probe for the kinds of check.
#[derive(Clone, Copy)]
pub(super) struct Probing<'a> {
    pub(super) target: SocketAddr,
    pub(super) origin: &'a Origin,
    /// The end of the whole probe.
    pub(super) deadline: Instant,
    /// From the start to the deadline.
    pub(super) timeout: Duration,
    pub(super) tls: &'a TlsConfigs,
    pub(super) neighbours: &'a Mutex<Neighbours>,
    pub(super) agents: &'a AgentStates,
    /// The connection through the VIP, if the VIP is the target.
    pub(super) vip_connection: Option<&'a VipConnection>,
    pub(super) scope: CheckScope,
    /// Whether a connection was made.
    pub(super) connected: &'a AtomicBool,
    pub(super) progress: &'a Arc<Progress>,
}

impl Probing<'_> {
    /// The address of the real server with this port, or with its own.
    pub(super) fn target(&self, port: Option<u16>) -> SocketAddr {
        SocketAddr::new(self.target.ip(), port.unwrap_or(self.target.port()))
    }

    /// A connection over TCP, on the path of the probe.
    pub(super) fn connect(
        &self,
        target: SocketAddr,
    ) -> impl Future<Output = Result<Stream, Failure>> {
        self.connect_tcp(target, false)
    }

    /// The same for a check that sends as soon as it is connected.
    pub(super) fn connect_to_send(
        &self,
        target: SocketAddr,
    ) -> impl Future<Output = Result<Stream, Failure>> {
        self.connect_tcp(target, true)
    }

    async fn connect_tcp(&self, target: SocketAddr, sends_first: bool) -> Result<Stream, Failure> {
        let stream = match self.vip_connection {
            None => connect::tcp(target, self.origin, self.progress, sends_first).await?,
            Some(vip_connection) => {
                let through = connect::through(vip_connection, target, self.origin, self.progress);
                Box::pin(through).await?
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

/// The context is borrowed, since each future that has the whole of it keeps it twice.
pub(super) async fn ask(probing: &Probing<'_>, kind: &CheckKind) -> Verdict {
    match kind {
        CheckKind::All(parts) => Box::pin(combination::all(*probing, parts)).await,
        CheckKind::Any(parts) => Box::pin(combination::any(*probing, parts)).await,
        CheckKind::None
        | CheckKind::Http(_)
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
    ask_in_time(&probing, kind).await
}

/// Ends by the deadline, and then names the current activity.
async fn ask_in_time(probing: &Probing<'_>, kind: &CheckKind) -> Verdict {
    match tokio::time::timeout_at(probing.deadline, ask_kind(probing, kind)).await {
        Ok(Err(failure)) => Err(probing.progress.stopped().unwrap_or(failure)),
        Ok(pass) => pass,
        Err(_) => Err(probing.late()),
    }
}

/// All kinds but plain HTTP's are boxed: a probe of that kind, of which there
/// may be many thousands, need not make room for the largest of the others.
async fn ask_kind(probing: &Probing<'_>, kind: &CheckKind) -> Verdict {
    match kind {
        CheckKind::Http(check) => http::probe(probing, check).await,
        CheckKind::Stream(check) => Box::pin(stream::probe(*probing, check)).await,
        CheckKind::Udp(check) => Box::pin(udp::probe(*probing, check)).await,
        CheckKind::Dns(check) => Box::pin(dns::probe(*probing, check)).await,
        CheckKind::Ping => Box::pin(ping::probe(*probing)).await,
        CheckKind::Grpc(check) => Box::pin(grpc::probe(*probing, check)).await,
        CheckKind::Exec(check) => Box::pin(exec::probe(*probing, check)).await,
        CheckKind::File(check) => Box::pin(file::probe(*probing, check)).await,
        CheckKind::HaproxyAgent(check) => Box::pin(haproxy_agent::probe(*probing, check)).await,
        CheckKind::Agent(check) => Box::pin(agent::probe(*probing, check)).await,
        // `probe_targets` has no probe of this kind.
        CheckKind::None => Err(Failure::internal("a probe of a check that asks nothing")),
        CheckKind::All(_) | CheckKind::Any(_) => {
            Err(Failure::internal("a combination within another"))
        }
    }
}
