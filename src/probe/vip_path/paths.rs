//! The shared part of all probes through VIPs: marks, source ports, and the
//! readers of the kernel's table.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use super::interception::InterceptionCheck;
use super::ports::{Ending, Ports};
use super::readers::Readers;
use super::{MarkRegistry, Unverified};
use crate::config::Origin;
use crate::kernel::TableKind;
use crate::model::ProbePath;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::shared::Shared;

/// The paths through VIPs. All probes share one value of this type.
pub(crate) struct VipPaths {
    pub(super) registry: Arc<MarkRegistry>,
    ports: Shared<Ports>,
    /// Whether IPVS intercepts the packets of probes, by the last canary.
    pub(super) interception: InterceptionCheck,
    /// `None` where the table is not the kernel's.
    readers: Option<Readers>,
}

impl VipPaths {
    pub(crate) fn new(registry: Arc<MarkRegistry>, ports: Ports, table: TableKind) -> Self {
        Self {
            registry,
            ports: Shared::new(ports),
            interception: InterceptionCheck::default(),
            readers: (table == TableKind::Kernel).then(Readers::new),
        }
    }

    pub(super) fn readers(&self) -> Result<&Readers, Unverified> {
        self.readers.as_ref().ok_or(Unverified::NoKernel)
    }

    /// Fails if IPVS lets all packets pass, as far as the kernel reports that.
    pub(super) async fn ensure_not_backup(&self) -> Result<(), Unverified> {
        let readers = self.readers()?;
        match readers.of_host().await.passes_everything().await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Unverified::Backup),
            Err(error) => Err(Unverified::Unreadable(error_chain(&error))),
        }
    }

    /// Fails if the kernel drops the packets from `vip` to `source`.
    pub(super) async fn ensure_answers_arrive(
        &self,
        source: IpAddr,
        vip: IpAddr,
    ) -> Result<(), Unverified> {
        let readers = self.readers()?;
        if vip.is_ipv6() {
            return Ok(());
        }
        let mut reader = readers.of_host().await;
        match reader.dropped_by_rp_filter(source, vip).await {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(Unverified::AnswersDropped(reason)),
            Err(error) => Err(Unverified::Unreadable(error_chain(&error))),
        }
    }

    /// A source port to `target`, for the path or the canary.
    pub(super) fn take_port(&self, target: SocketAddr, user: Option<ProbePath>) -> Option<u16> {
        let now = clock::monotonic();
        self.ports.lock().take(target, user, now)
    }

    pub(super) fn give_port_back(
        &self,
        target: SocketAddr,
        user: Option<ProbePath>,
        port: u16,
        ending: Ending,
    ) {
        let now = clock::monotonic();
        self.ports.lock().give_back(target, user, port, ending, now);
    }
}

/// The source address of this host towards `real_server`, which is never the VIP.
pub(crate) fn source(real_server: IpAddr, origin: &Origin, vip: IpAddr) -> Result<IpAddr, String> {
    let source = match origin.source {
        Some(source) => source,
        None => local_address(real_server)
            .map_err(|error| format!("there is no way to {real_server}: {error}"))?,
    };
    if source == vip {
        return Err(format!(
            "this host speaks to {real_server} from the VIP: give the check another `source`"
        ));
    }
    if source.is_ipv4() != vip.is_ipv4() {
        return Err(format!("{source} is not of the VIP's family"));
    }
    Ok(source)
}

/// Nothing is sent: connecting a datagram socket only asks the routes.
fn local_address(to: IpAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = match to {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect((to, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests;
