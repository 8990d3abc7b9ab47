//! Whether the director's own link is up: looked at often, told as it changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use crate::config::Config;
use crate::kernel::{Addresses, Cause, KernelError};
use crate::model::FreezeReason;
use crate::runtime::error_chain::error_chain;

/// From one look to the next, each of which is one small request: well within
/// `fall` times the shortest interval of a check, with `fall` at 3.
const PERIOD: Duration = Duration::from_millis(200);

/// Tells `trouble` why weights are to be held, for as long as it is asked: the
/// interface that the newest configuration names as the director's link is not
/// there, or has no carrier. Where `may_be_missing`, one that is not there is no
/// trouble: a trial on another host than the director's.
///
/// A look that fails says nothing: what was last seen holds.
pub(crate) async fn watch(
    config: watch::Receiver<Arc<Config>>,
    trouble: watch::Sender<Option<FreezeReason>>,
    may_be_missing: bool,
) {
    let mut links = Addresses::new();
    loop {
        let interface = config.borrow().director.link.clone();
        let looked = match &interface {
            Some(interface) => look(&mut links, interface).await,
            None => Ok(None),
        };
        match looked {
            Ok(now) => {
                let now = now.filter(|now| !(may_be_missing && *now == FreezeReason::NoInterface));
                trouble.send_if_modified(|trouble| std::mem::replace(trouble, now) != now);
            }
            Err(error) => debug!(error = error_chain(&error), "the link was not seen"),
        }
        sleep(PERIOD).await;
    }
}

async fn look(links: &mut Addresses, interface: &str) -> Result<Option<FreezeReason>, KernelError> {
    match links.has_carrier(interface).await {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(FreezeReason::Link)),
        Err(error) if matches!(error.cause, Cause::NoInterface(_)) => {
            Ok(Some(FreezeReason::NoInterface))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
