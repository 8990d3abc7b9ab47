//! Notifications of the service manager (`sd_notify(3)`), where there is one.

use std::convert::Infallible;
use std::env;
use std::future;
use std::sync::Arc;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::runtime::clock;
use crate::runtime::liveness::Liveness;

/// The agent is set up, or has read its configuration again, whatever became of that.
pub(crate) fn ready() {
    send(&[NotifyState::Ready]);
}

/// Whether there is a service manager.
pub(crate) fn is_present() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// What `systemctl status` shows of the agent, in one line.
pub(crate) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// The configuration is being read again (`Type=notify-reload`).
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager could not be notified"),
    }
}

/// The agent is about to end.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("ending")]);
}

/// Notifies the service manager three times in each `WatchdogSec=` while the loops turn.
/// Without a notification in time, the service manager ends the process and starts another.
///
/// This task runs on the runtime like the loops themselves, so that a runtime that is stuck
/// as a whole is silent too. Without a watchdog the task does nothing.
pub(crate) async fn feed_watchdog(liveness: Arc<Liveness>) -> Infallible {
    let Some(deadline) = sd_notify::watchdog_enabled().filter(|deadline| !deadline.is_zero())
    else {
        return future::pending().await;
    };
    let mut turns = interval(deadline / 3);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = false;
    loop {
        turns.tick().await;
        let stuck = liveness.stuck(clock::monotonic());
        if stuck.is_empty() {
            send(&[NotifyState::Watchdog]);
            if silent {
                info!("every loop turns again");
            }
        } else if !silent {
            for stuck in &stuck {
                error!("{stuck}: the watchdog is left to restart the agent");
            }
        }
        silent = !stuck.is_empty();
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager could not be notified");
    }
}
