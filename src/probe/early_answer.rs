//! Connections to servers that answer and close before they have read what is
//! sent to them.
//!
//! A script behind inetd or `socat` writes its whole answer as soon as the
//! connection is made, and closes the connection without reading the request.
//! The kernel then answers the request with a reset. What had come before
//! stays readable, and decides.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange_result::{Failure, from_io};
use crate::model::ProbeResult;

/// A connection on which a reset that follows an answer is the end of the
/// answer, and so is the end of TLS without `close_notify`. What the answer is
/// worth, the protocol's own lengths decide.
#[derive(Debug)]
pub(super) struct EarlyAnswer<S> {
    stream: S,
    /// Whether anything came.
    answered: bool,
    /// The reset that the writing side met: the other end reads no more.
    refused: Option<io::Error>,
    /// Whether the answer ended by a reset.
    was_reset: bool,
}

impl<S> EarlyAnswer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            answered: false,
            refused: None,
            was_reset: false,
        }
    }

    /// An answer that is not whole because of a reset fails by the reset.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        if failure.result == ProbeResult::Protocol && self.was_reset {
            return from_io(&Errno::CONNRESET.into());
        }
        failure
    }

    /// Whether the other end did not take what was written.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Takes a reset of the writing side for a success, and remembers it.
    fn unless_reset<T>(&mut self, written: io::Result<T>, all: T) -> io::Result<T> {
        match written {
            Err(error) if is_reset(&error) => {
                self.refused = Some(error);
                Ok(all)
            }
            written => written,
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE)
    )
}

impl<S: AsyncRead + Unpin> AsyncRead for EarlyAnswer<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            return Poll::Pending;
        };
        let came = buffer.filled().len() > before;
        self.answered |= came;
        let ended = match read {
            // TLS says so of an end without `close_notify`.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            Err(error) if self.answered && is_reset(&error) => {
                self.was_reset = true;
                true
            }
            Err(error) => return Poll::Ready(Err(error)),
            Ok(()) => !came,
        };
        if ended && let Some(error) = self.refused.take() {
            if !self.answered {
                return Poll::Ready(Err(error));
            }
            self.was_reset = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EarlyAnswer<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refused.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        written.map(|written| self.unless_reset(written, bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = parts.iter().map(|part| part.len()).sum();
        if self.refused.is_some() {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        written.map(|written| self.unless_reset(written, all))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        flushed.map(|flushed| self.unless_reset(flushed, ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            return Poll::Ready(Ok(()));
        }
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        closed.map(|closed| self.unless_reset(closed, ()))
    }
}

#[cfg(test)]
mod tests;
