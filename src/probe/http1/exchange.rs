//! One request and its answer over a connection.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::decoder::Decoder;
use super::head::{self, BodyLength, HeadError};
use crate::probe::early_answer::EarlyAnswer;
use crate::probe::exchange_result::Failure;

/// How much is read at once. While nothing comes, a probe holds no memory for it.
const READ: usize = 4096;

/// A request that is sent while its answer is read. The request may have secrets.
pub(in crate::probe) struct Exchange<S> {
    stream: EarlyAnswer<S>,
    request: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    /// What came, up to `taken` done with.
    received: Vec<u8>,
    taken: usize,
    /// How much of it has no end of a head.
    searched: usize,
    asked_head: bool,
    over_tls: bool,
    body: Decoder,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Exchange<S> {
    /// `request` is all of it; `asked_head` tells that its method is `HEAD`.
    pub(in crate::probe) fn new(stream: S, request: Vec<u8>, asked_head: bool) -> Self {
        Self {
            stream: EarlyAnswer::new(stream),
            request,
            sent: 0,
            is_flushed: false,
            received: Vec::new(),
            taken: 0,
            searched: 0,
            asked_head,
            over_tls: false,
            body: Decoder::new(BodyLength::Known(0)),
        }
    }

    /// The same over TLS.
    pub(in crate::probe) fn over_tls(self) -> Self {
        Self {
            over_tls: true,
            ..self
        }
    }

    /// Sends the request, and waits for the final head of the answer: its status.
    pub(in crate::probe) fn status(&mut self) -> impl Future<Output = Result<u16, Failure>> {
        poll_fn(|context| self.poll_status(context))
    }

    fn poll_status(&mut self, context: &mut Context<'_>) -> Poll<Result<u16, Failure>> {
        loop {
            if ready!(self.poll_receive(context))? == 0 {
                return Poll::Ready(Err(match self.received.as_slice() {
                    [] => Failure::closed_early(),
                    came => Failure::closed_within_head(came, self.over_tls),
                }));
            }
            // A head that comes byte by byte is not parsed at each of them.
            let new = self.received.get(self.searched..).unwrap_or_default();
            let may_be_whole = self.searched == 0 || head::has_empty_line(new);
            self.searched = self.received.len().saturating_sub(2);
            while may_be_whole && let Some((head, length)) = self.parse_head()? {
                if head.is_interim() {
                    self.received.drain(..length);
                    self.searched = 0;
                    continue;
                }
                self.taken = length;
                self.body = Decoder::new(head.length);
                return Poll::Ready(Ok(head.status));
            }
        }
    }

    fn parse_head(&self) -> Result<Option<(head::Head, usize)>, Failure> {
        let head = head::parse(&self.received, self.asked_head);
        head.map_err(|error| match error {
            HeadError::NotHttp => Failure::not_http(self.over_tls),
            HeadError::TooLarge => Failure::protocol(error.to_string()),
        })
    }

    /// The next data of the body; `None` at its end.
    pub(in crate::probe) async fn data(&mut self) -> Result<Option<&[u8]>, Failure> {
        let data = poll_fn(|context| self.poll_data(context)).await?;
        Ok(data.map(|data| self.received.get(data).unwrap_or_default()))
    }

    fn poll_data(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Range<usize>>, Failure>> {
        loop {
            let rest = self.received.get(self.taken..).unwrap_or_default();
            let part = self.body.decode(rest);
            let part = part.map_err(|error| Failure::protocol(error.to_string()))?;
            let before = self.taken;
            self.taken += part.taken;
            if !part.data.is_empty() {
                let data = before + part.data.start..before + part.data.end;
                return Poll::Ready(Ok(Some(data)));
            }
            if self.body.is_whole() {
                return Poll::Ready(Ok(None));
            }
            self.received.clear();
            self.taken = 0;
            if ready!(self.poll_receive(context))? == 0 {
                return Poll::Ready(if self.body.ends_with_connection() {
                    Ok(None)
                } else {
                    Err(Failure::protocol("the answer was cut short"))
                });
            }
        }
    }

    /// Takes more bytes into `received`; how many, and none at the end of the connection.
    /// Goes on with the request first: a server may answer before it has read all of it.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(sent) = self.poll_send(context) {
            sent?;
        }
        if self.sent == 0 {
            return Poll::Pending;
        }
        let mut space = [MaybeUninit::uninit(); READ];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut space))?;
        self.received.extend_from_slice(space.filled());
        Poll::Ready(Ok(space.filled().len()))
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        while let Some(rest @ [_, ..]) = self.request.get(self.sent..) {
            let sent = ready!(stream.as_mut().poll_write(context, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        if !self.is_flushed {
            ready!(stream.poll_flush(context))?;
            self.is_flushed = true;
            self.request = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    /// The failure, as what ended the connection has it.
    pub(in crate::probe) fn explain(&self, failure: Failure) -> Failure {
        self.stream.explain(failure)
    }

    /// Says the end of the connection as far as that takes no time: a server logs an end of
    /// TLS that was not said.
    pub(in crate::probe) async fn say_end(&mut self) {
        poll_fn(|context| {
            let _waits_for_nobody = Pin::new(&mut self.stream).poll_shutdown(context);
            Poll::Ready(())
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
