//! The canary: a connection whose mark leads to no real server. Were it
//! answered, so might be that of a probe, and by anybody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::passages::source;
use super::ports::Ending;
use super::{Passages, Unverified};
use crate::config::{Config, Origin};
use crate::model::{Family, ProbePath};
use crate::net::tcp::{Marked, OpenError, Opening};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// From one look to the next; a canary is sent with some of them.
const PERIOD: Duration = Duration::from_secs(2);
/// IPVS refuses at once; this long it may take on a host that is busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// Any segment will do for a connection that is refused.
const SEGMENT: u32 = 1300;
/// How many source ports are tried, should others of this host have them.
const TRIES: u32 = 16;

/// Where to send the canary of one family: as the first probe of it goes.
#[derive(Debug, Clone)]
pub(crate) struct Perch {
    target: SocketAddr,
    path: ProbePath,
    origin: Origin,
}

/// One for each family in which a check leads through a VIP.
pub(crate) fn perches(config: &Config) -> Vec<Perch> {
    let mut perches: Vec<Perch> = Vec::new();
    for service in &config.virtual_services {
        let Some(vip) = service.key.vip() else {
            continue;
        };
        let family = Family::from(vip);
        let known = perches.iter().any(|perch| perch.path.family == family);
        let probed = service.checked();
        let mut probed = probed.filter(|(_, check)| check.via.through_vip() && !known);
        if let Some((key, check)) = probed.next() {
            perches.push(Perch {
                target: (vip, check.kind.clients_port(key.0.port())).into(),
                path: service.path(key),
                origin: check.origin.clone(),
            });
        }
    }
    perches
}

impl Passages {
    /// Looks whether IPVS takes the packets of probes, and sends a canary
    /// where the last was sent long ago.
    pub(crate) async fn send_canaries(&self, perches: &[Perch]) {
        for perch in perches {
            let family = perch.path.family;
            let now = clock::monotonic();
            let before = self.guard.holds(family, now);
            let found = self.send_canary(perch).await;
            self.guard.note(family, found.clone(), now);
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

    async fn send_canary(&self, perch: &Perch) -> Result<(), Unverified> {
        self.takes_packets().await?;
        let confirmed = self.board().canary(perch.path.family);
        let confirmed = confirmed.ok_or(Unverified::NoMark)?;
        let vip = perch.target.ip();
        let strange = |what: String| Err(Unverified::CanarySang(what));
        let address = match source(perch.path.real_server, &perch.origin, vip) {
            Ok(address) => address,
            Err(error) => return strange(format!("cannot be made: {error}")),
        };
        self.hears(address, vip).await?;
        let now = clock::monotonic();
        if self.guard.was_refused(perch.path.family, confirmed, now) {
            return Ok(());
        }
        for _ in 0..TRIES {
            let Some(port) = self.take_port(perch.target, None) else {
                break;
            };
            let opening = Opening {
                source: Some(address),
                interface: None,
                marked: Some(Marked {
                    port,
                    mark: confirmed.mark.get(),
                    segment: SEGMENT,
                }),
            };
            let opened = timeout(PATIENCE, opening.open(perch.target)).await;
            let (ending, found) = match opened {
                Ok(Err(OpenError::PortTaken)) => (Ending::Unusable, None),
                Ok(Err(OpenError::Connect {
                    source,
                    icmp: Some(_),
                })) if source.kind() == std::io::ErrorKind::ConnectionRefused => {
                    (Ending::Reset, Some(Ok(())))
                }
                Ok(Ok(_answered)) => (Ending::Reset, Some(strange("was answered".to_owned()))),
                Ok(Err(error)) => {
                    let error =
                        format!("was refused by another than IPVS: {}", error_chain(&error));
                    (Ending::Unanswered, Some(strange(error)))
                }
                Err(_) => (
                    Ending::Unanswered,
                    Some(strange("was not refused".to_owned())),
                ),
            };
            self.give_port_back(perch.target, None, port, ending);
            if let Some(found) = found {
                if found.is_ok() {
                    self.guard.note_refused(perch.path.family, confirmed, now);
                }
                return found;
            }
        }
        strange("cannot be made: all source ports are taken".to_owned())
    }
}

/// Sends canaries for as long as it is asked, to where `perches` says last.
pub(crate) async fn watch(
    passages: Arc<Passages>,
    mut perches: tokio::sync::watch::Receiver<Vec<Perch>>,
) {
    loop {
        let now = perches.borrow_and_update().clone();
        passages.send_canaries(&now).await;
        tokio::select! {
            Ok(()) = perches.changed() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

#[cfg(test)]
mod tests;
