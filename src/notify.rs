//! What the service manager is told, where there is one (`sd_notify(3)`).

use sd_notify::NotifyState;
use tracing::warn;

/// The agent is set up; `status` is shown by `systemctl status`.
pub(crate) fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is being read again (`Type=notify-reload`).
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "the service manager could not be told"),
    }
}

/// The reload is over, whatever became of it: the agent works.
pub(crate) fn ready_again() {
    send(&[NotifyState::Ready]);
}

/// The agent is about to end.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager could not be told");
    }
}
