//! The state of the director's own link: a look after each notification of the kernel.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::config::Config;
use crate::kernel::{Cause, Host, HostChanges, KernelError};
use crate::model::FreezeReason;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;

/// From a notification to the look: changes that are made together are seen together.
const SETTLED: Duration = Duration::from_millis(20);

/// From one look to the next without a notification. The kernel announces every
/// change, except while the socket for notifications is not open; and it may
/// delay a notification by a second ([`CLOSE`]) because of links in other
/// network namespaces.
const PERIOD: Duration = Duration::from_secs(2);

/// The same after a notification, for [`CLOSE`], and after a look that failed:
/// well within `fall` times the shortest interval of a check, with `fall` at 3.
const CLOSE_PERIOD: Duration = Duration::from_millis(200);

/// After one change of a carrier, the kernel delays the notification of the next
/// by up to a second (`linkwatch_schedule_work` in `net/core/link_watch.c`).
const CLOSE: Duration = Duration::from_secs(1);

/// Without notifications.
const UNHEARD: &str = "a change of the director's link is found only every 2s";

/// Reports in `trouble` why weights must be frozen, as long as this task runs: the
/// interface that the newest configuration names as the director's link does not
/// exist, or has no carrier. Where `may_be_missing`, an interface that does not
/// exist is no trouble: a trial on another host than the director's.
///
/// A look that fails changes nothing: the last report stays in effect.
pub(crate) async fn watch(
    mut config: watch::Receiver<Arc<Config>>,
    trouble: watch::Sender<Option<FreezeReason>>,
    may_be_missing: bool,
) {
    let mut host = Host::new();
    let mut changes = HostChanges::of_links(UNHEARD);
    let mut close_until = Instant::from_std(clock::monotonic());
    loop {
        let interface = config.borrow_and_update().director.link.clone();
        let found = match &interface {
            Some(interface) => look(&mut host, interface).await,
            None => Ok(None),
        };
        let failed = found.is_err();
        match found {
            Ok(now) => {
                let now = now.filter(|now| !(may_be_missing && *now == FreezeReason::NoInterface));
                trouble.send_if_modified(|trouble| std::mem::replace(trouble, now) != now);
            }
            Err(error) => debug!(error = error_chain(&error), "the link could not be read"),
        }
        let close = failed || Instant::from_std(clock::monotonic()) < close_until;
        let period = if close { CLOSE_PERIOD } else { PERIOD };
        let notified = async {
            tokio::select! {
                () = changes.changed() => true,
                Ok(()) = config.changed() => false,
            }
        };
        if timeout(period, notified).await == Ok(true) {
            close_until = Instant::from_std(clock::monotonic()) + CLOSE;
            sleep(SETTLED).await;
        }
    }
}

async fn look(host: &mut Host, interface: &str) -> Result<Option<FreezeReason>, KernelError> {
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
