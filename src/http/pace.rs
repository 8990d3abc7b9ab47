//! The pace at which all connections together are written to: large answers to many readers
//! take no more of the processors and of the link than this, however fast the readers are.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use crate::runtime::clock;
use crate::runtime::shared::Shared;

/// The most bytes at a time. A connection may write the first ones at once, so that small
/// answers never wait for large ones.
const PIECE: usize = 256 * 1024;

/// The time that a piece has: 256 MiB/s.
const PIECE_TIME: Duration = Duration::from_millis(1);

/// So far the pieces may be behind their time and catch up, because timers are late.
const LAG: Duration = Duration::from_millis(20);

/// The pace of all connections of a listener.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Shared<Option<Instant>>,
}

/// A stream that is written to at a pace.
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    /// The bytes that may be written before the next piece.
    left: usize,
    /// Until the time of the next piece.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// The time of the next piece, which is whoever calls this first.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let earliest = now.checked_sub(LAG).unwrap_or(now);
        let time = next.map_or(now, |next| next.max(earliest));
        *next = Some(time + PIECE_TIME);
        time
    }
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>) -> Self {
        Self {
            stream,
            pace,
            left: PIECE,
            wait: None,
        }
    }

    /// The number of bytes that may be written now.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        if self.left == 0 {
            if self.wait.is_none() {
                let now = clock::monotonic();
                let time = self.pace.take(now);
                self.wait = (time > now).then(|| Box::pin(sleep_until(time.into())));
            }
            if let Some(wait) = &mut self.wait {
                ready!(wait.as_mut().poll(context));
            }
            self.wait = None;
            self.left = PIECE;
        }
        Poll::Ready(self.left)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = ready!(self.poll_left(context));
        let piece = bytes.get(..left).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, piece))?;
        self.left = left.saturating_sub(written);
        Poll::Ready(Ok(written))
    }

    /// hyper would copy the answer where this is not supported.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let left = ready!(self.poll_left(context));
        if slices.iter().map(|slice| slice.len()).sum::<usize>() > left {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(context, first.map_or(&[], |first| first));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.left = left.saturating_sub(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
