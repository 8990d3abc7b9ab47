//! The state of the director's own link: a look after each notification of the kernel.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::config::Config;
use crate::kernel::{Cause, Host, HostChanges, KernelError};
use crate::model::FreezeReason;
use crate::runtime::error_chain::error_chain;

/// From a notification to the look: changes that are made together are seen together.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// From one look to the next, each of which is one small request: well within `fall`
/// times the shortest interval of a check, with `fall` at 3. A notification only makes
/// the look earlier: after one change of a carrier, the kernel delays the notification
/// of the next by up to a second, also of a link in another network namespace
/// (`linkwatch_schedule_work` in `net/core/link_watch.c`).
const PERIOD: Duration = Duration::from_millis(200);

/// Without notifications.
const UNHEARD: &str = "a change of the director's link is found only by the look every 200ms";

/// Reports in `problem` why weights must be frozen, as long as this task runs: the
/// interface that the newest configuration names as the director's link does not
/// exist, or has no carrier. Where `may_be_missing`, an interface that does not
/// exist is no problem: a trial on another host than the director's.
///
/// A look that fails changes nothing: the last report stays in effect.
pub(crate) async fn watch(
    mut config: watch::Receiver<Arc<Config>>,
    problem: watch::Sender<Option<FreezeReason>>,
    may_be_missing: bool,
) {
    let mut host = Host::new();
    let mut changes = HostChanges::of_links(UNHEARD);
    loop {
        let interface = config.borrow_and_update().director.link.clone();
        let found = match &interface {
            Some(interface) => inspect(&mut host, interface).await,
            None => Ok(None),
        };
        match found {
            Ok(now) => {
                let now = now.filter(|now| !(may_be_missing && *now == FreezeReason::NoInterface));
                problem.send_if_modified(|problem| {
                    let is_new = *problem != now;
                    *problem = now;
                    is_new
                });
            }
            Err(error) => debug!(error = error_chain(&error), "the link could not be read"),
        }
        let notified = async {
            tokio::select! {
                () = changes.changed() => true,
                Ok(()) = config.changed() => false,
            }
        };
        if timeout(PERIOD, notified).await == Ok(true) {
            sleep(DEBOUNCE).await;
        }
    }
}

async fn inspect(host: &mut Host, interface: &str) -> Result<Option<FreezeReason>, KernelError> {
    match host.link(interface).await {
        Ok(link) => Ok((!link.carrier).then_some(FreezeReason::Link)),
        Err(error) if matches!(error.cause, Cause::NoInterface(_)) => {
            Ok(Some(FreezeReason::NoInterface))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
