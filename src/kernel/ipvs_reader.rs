//! A reader of the kernel for probes through VIPs. It writes nothing.

use std::net::IpAddr;
use std::str::FromStr as _;

use super::{Host, Ipvs as _, KernelError, KernelIpvs, ObservedDestination, Sysctls};
use crate::model::{OwnSource, RealServerKey, ServiceKey, SysctlKey};

/// Reads the table of the network namespace in which the first request is made,
/// over a socket of its own: probes do not wait for reconcile.
pub(crate) struct IpvsReader {
    ipvs: KernelIpvs,
    host: Host,
    sysctls: Sysctls,
}

impl IpvsReader {
    /// Opens nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            ipvs: KernelIpvs::new(),
            host: Host::new(),
            sysctls: Sysctls::default(),
        }
    }

    /// The only real server of a virtual service; `None` if the service is
    /// missing, or has none or several.
    pub(crate) async fn only_destination(
        &mut self,
        service: &ServiceKey,
    ) -> Result<Option<(RealServerKey, ObservedDestination)>, KernelError> {
        let mut destinations = self.ipvs.destinations(service).await?;
        let first = destinations.pop_first();
        Ok(first.filter(|_| destinations.is_empty()))
    }

    /// Whether IPVS lets all packets of this host pass, because it is the
    /// backup of another director.
    pub(crate) async fn passes_everything(&mut self) -> Result<bool, KernelError> {
        let Ok(key) = SysctlKey::from_str("net.ipv4.vs.backup_only") else {
            return Ok(false);
        };
        let only = self.sysctls.read(&key)?;
        if only.is_none_or(|value| value == "0") {
            return Ok(false);
        }
        self.ipvs.is_sync_backup().await
    }

    /// The parameter by which the kernel drops answers from `vip` to `source`, both
    /// IPv4 addresses of this host. `None` where this host does not have the VIP.
    pub(crate) async fn dropped_by_rp_filter(
        &mut self,
        source: IpAddr,
        vip: IpAddr,
    ) -> Result<Option<OwnSource>, KernelError> {
        let [Some(to), Some(from)] = self.interfaces_of([source, vip]).await else {
            return Ok(None);
        };
        OwnSource::kept_out(&to, &from, |place, name| {
            let Ok(key) = SysctlKey::from_str(&format!("net.ipv4.conf.{place}.{name}")) else {
                return Ok(0);
            };
            let value = self.sysctls.read(&key)?;
            Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
        })
    }

    /// The interface that has each of these addresses, if one does. Where the
    /// kernel gives no answer, the result of the canary decides alone.
    async fn interfaces_of(&mut self, wanted: [IpAddr; 2]) -> [Option<String>; 2] {
        let found = async {
            let interfaces = self.host.interfaces().await?;
            self.host.addresses(&interfaces).await
        };
        let found = found.await.unwrap_or_default();
        wanted.map(|wanted| {
            let mut found = found.iter();
            let held = found.find(|held| held.address == wanted)?;
            Some(held.interface.clone())
        })
    }

    /// The ports from which this host connects, first and last
    /// (`net.ipv4.ip_local_port_range`, which holds for IPv6 as well).
    pub(crate) fn local_ports(&self) -> Result<Option<(u16, u16)>, KernelError> {
        let Ok(key) = SysctlKey::from_str("net.ipv4.ip_local_port_range") else {
            return Ok(None);
        };
        let range = self.sysctls.read(&key)?;
        Ok(range.and_then(|range| {
            let (first, last) = range.split_once(' ')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        }))
    }
}

#[cfg(test)]
mod tests;
