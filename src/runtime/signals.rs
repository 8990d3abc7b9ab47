//! The signals that a long-running agent answers to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// `SIGTERM` and `SIGINT`.
pub(crate) struct Terminate {
    terminate: Signal,
    interrupt: Signal,
}

impl Terminate {
    /// From now on these signals no longer end the process.
    pub(crate) fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    /// Waits for the next one, and tells its name.
    pub(crate) async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// `SIGHUP`: read the configuration again.
pub(crate) struct Hangup(Signal);

impl Hangup {
    /// From now on this signal no longer ends the process.
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one; several in a row may count as one. Cancel-safe.
    pub(crate) async fn recv(&mut self) {
        self.0.recv().await;
    }
}

/// Tells every task that the process is about to end; dropping it does, too.
#[derive(Debug)]
pub(crate) struct Stop(watch::Sender<()>);

/// A task's end of [`Stop`].
#[derive(Debug, Clone)]
pub(crate) struct Stopping(watch::Receiver<()>);

impl Stop {
    /// Both ends.
    pub(crate) fn new() -> (Self, Stopping) {
        let (sender, receiver) = watch::channel(());
        (Self(sender), Stopping(receiver))
    }

    /// Requests the stop.
    pub(crate) fn stop(self) {
        drop(self.0);
    }
}

impl Stopping {
    /// Waits until it is time. Cancel-safe.
    pub(crate) async fn recv(&mut self) {
        // Nothing is ever sent: an error is the sender's end, and the news.
        while self.0.changed().await.is_ok() {}
    }
}
