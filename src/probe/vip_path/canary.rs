//! The canary: a connection by a mark whose service has no real server. If
//! anything but IPVS answers the canary, any host may answer a probe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::paths::source;
use super::ports::Ending;
use super::{Unverified, VipPaths};
use crate::config::{Config, Origin};
use crate::model::{Family, ProbePath};
use crate::net::tcp::{ConnectOptions, OpenError, VipSocketOptions};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// From one check to the next; some checks send a canary.
const PERIOD: Duration = Duration::from_secs(2);
/// IPVS refuses at once; a busy host may take this long.
const PATIENCE: Duration = Duration::from_secs(5);
/// The segment of a refused connection does not matter.
const SEGMENT: u32 = 1300;
/// How many source ports are tried, should other programs of this host have them.
const TRIES: u32 = 16;

/// The target of the canary of one family: that of the family's first probe.
#[derive(Debug, Clone)]
pub(crate) struct CanaryTarget {
    target: SocketAddr,
    path: ProbePath,
    origin: Origin,
}

/// One target for each family in which a check leads through a VIP.
pub(crate) fn canary_targets(config: &Config) -> Vec<CanaryTarget> {
    let mut targets: Vec<CanaryTarget> = Vec::new();
    for service in &config.virtual_services {
        let Some(vip) = service.key.vip() else {
            continue;
        };
        let family = Family::from(vip);
        let known = targets.iter().any(|target| target.path.family == family);
        let members = service.members();
        let mut probed = members.filter(|member| member.check.via.through_vip() && !known);
        if let Some(member) = probed.next() {
            let check = member.check;
            targets.push(CanaryTarget {
                target: (vip, check.kind.clients_port(member.key.0.port())).into(),
                path: service.path(member),
                origin: check.origin.clone(),
            });
        }
    }
    targets
}

impl VipPaths {
    /// Checks whether IPVS intercepts the packets of probes, and sends a canary
    /// where the last one is too old.
    pub(crate) async fn send_canaries(&self, targets: &[CanaryTarget]) {
        for target in targets {
            let family = target.path.family;
            let now = clock::monotonic();
            let before = self.interception.ensure(family, now);
            let found = self.send_canary(target).await;
            self.interception.note(family, found.clone(), now);
            match (before, found) {
                (Ok(()) | Err(Unverified::NoCanary), Err(error)) => warn!(
                    %family,
                    "probes through VIPs are not verified, and change no verdict: {error}"
                ),
                (Err(error), Ok(())) if error != Unverified::NoCanary => {
                    info!(%family, "probes through VIPs are verified again");
                }
                _ => {}
            }
        }
    }

    async fn send_canary(&self, canary: &CanaryTarget) -> Result<(), Unverified> {
        self.ensure_not_backup().await?;
        let confirmed = self.registry.canary(canary.path.family);
        let confirmed = confirmed.ok_or(Unverified::NoMark)?;
        let vip = canary.target.ip();
        let not_refused = |what: String| Err(Unverified::CanaryNotRefused(what));
        let address = match source(canary.path.real_server, &canary.origin, vip) {
            Ok(address) => address,
            Err(error) => return not_refused(format!("cannot be made: {error}")),
        };
        self.ensure_answers_arrive(address, vip).await?;
        let now = clock::monotonic();
        if self
            .interception
            .was_refused(canary.path.family, confirmed, now)
        {
            return Ok(());
        }
        for _ in 0..TRIES {
            let Some(port) = self.take_port(canary.target, None) else {
                break;
            };
            let options = ConnectOptions {
                source: Some(address),
                interface: None,
                vip: Some(VipSocketOptions {
                    port,
                    mark: confirmed.mark.get(),
                    segment: SEGMENT,
                }),
                sends_first: false,
            };
            let opened = timeout(PATIENCE, options.open(canary.target)).await;
            let (ending, found) = match opened {
                Ok(Err(OpenError::PortTaken)) => (Ending::Unusable, None),
                Ok(Err(OpenError::Connect {
                    source,
                    icmp: Some(_),
                })) if source.kind() == std::io::ErrorKind::ConnectionRefused => {
                    (Ending::Reset, Some(Ok(())))
                }
                Ok(Ok(_answered)) => (Ending::Reset, Some(not_refused("was answered".to_owned()))),
                Ok(Err(error)) => {
                    let error =
                        format!("was refused by another than IPVS: {}", error_chain(&error));
                    (Ending::Unanswered, Some(not_refused(error)))
                }
                Err(_) => (
                    Ending::Unanswered,
                    Some(not_refused("was not refused".to_owned())),
                ),
            };
            self.give_port_back(canary.target, None, port, ending);
            if let Some(found) = found {
                if found.is_ok() {
                    self.interception
                        .note_refused(canary.path.family, confirmed, now);
                }
                return found;
            }
        }
        not_refused("cannot be made: all source ports are taken".to_owned())
    }
}

/// Sends canaries to the latest `targets`, as long as this task runs.
pub(crate) async fn watch(
    paths: Arc<VipPaths>,
    mut targets: tokio::sync::watch::Receiver<Vec<CanaryTarget>>,
) {
    loop {
        let now = targets.borrow_and_update().clone();
        paths.send_canaries(&now).await;
        tokio::select! {
            Ok(()) = targets.changed() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

#[cfg(test)]
mod tests;
