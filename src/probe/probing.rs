//! What one probe of one kind of check has to work with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::check_scope::CheckScope;
use super::connect::{self, Stream};
use super::exchange_result::Failure;
use super::haproxy_states::HaproxyStates;
use super::progress::{Activity, Progress};
use super::vip_path::VipConnection;
use crate::config::Origin;
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
    pub(super) agents: &'a HaproxyStates,
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
