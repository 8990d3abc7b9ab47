//! Requests over netlink with complete answers and deadlines; the only user of
//! neli's socket.
//!
//! The kernel answers within the system call that sends a request
//! (`netlink_unicast_kernel` in `net/netlink/af_netlink.c`). So an answer is read
//! from the socket at once, by the task that asked: nothing else runs in between,
//! on which a probe through a VIP depends. Every request has a deadline, an answer
//! counts only with its end, and requests run one at a time (except writes, which
//! [`Netlink::write_all`] pipelines).
//!
//! A socket belongs to the network namespace of the thread that opened the
//! socket. The first request opens it.

mod answer;
mod connection;

use std::time::Duration;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::types::Buffer;
use neli::{Size, ToBytes};
use rustix::io::Errno;
use tokio::time::timeout;

use self::connection::Connection;
use super::Cause;

/// How long the kernel may take for one request. It answers within
/// milliseconds, but a request may have to wait for a module to be loaded.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many writes may be in flight before the first answer is awaited.
///
/// A refused write is answered with a copy of the request, in about 1 KiB of
/// kernel memory: 64 of them stay well below the 208 KiB that a socket
/// receives into by default (`net.core.rmem_default`), above which the kernel
/// drops answers and reports `ENOBUFS`.
const WINDOW: usize = 64;

/// The same for requests that are answered with what they ask for: the buffer
/// of such an answer takes up to 5 KiB.
const GET_WINDOW: usize = 16;

/// How often a dump is read while it keeps changing.
const DUMP_ATTEMPTS: u32 = 16;

/// Of `linux/sock_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;

const ENOENT: i32 = Errno::NOENT.raw_os_error();
const EPERM: i32 = Errno::PERM.raw_os_error();

/// The netlink protocol of a socket.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// `NETLINK_ROUTE`: interfaces and addresses.
    Route,
    /// `NETLINK_SOCK_DIAG`: the sockets of the network namespace.
    Sockets,
    /// `NETLINK_GENERIC`, and the family of that name, whose number is looked
    /// up whenever the socket is opened: it changes when the module is reloaded.
    Generic(&'static str),
}

/// The type of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum MessageType {
    /// One of `NETLINK_ROUTE`'s.
    Route(Rtm),
    /// `SOCK_DIAG_BY_FAMILY`, the one of `NETLINK_SOCK_DIAG`.
    Sockets,
    /// One for the controller of generic netlink, which knows the families.
    Control,
    /// One for the generic family that the socket was opened for.
    Family,
}

/// A request. The flags `REQUEST`, and `ACK` or `DUMP`, are added on sending.
#[derive(Debug, Clone)]
pub(super) struct Request<P> {
    pub(super) message_type: MessageType,
    pub(super) flags: NlmF,
    pub(super) body: P,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The kernel has no generic netlink family of that name.
    NoFamily,
    /// The kernel refused, with this (positive) error number.
    Errno(i32),
    /// What a dump showed changed while it was read (`NLM_F_DUMP_INTR`).
    Interrupted,
    /// Anything else.
    Other(Cause),
}

impl Failure {
    /// The cause as an operator reads it, given the meaning of error numbers for the operation.
    pub(super) fn cause(self, meaning: impl FnOnce(i32) -> Cause) -> Cause {
        match self {
            // IPVS is the one generic family in use.
            Self::NoFamily => Cause::NoIpvs,
            Self::Errno(EPERM) => Cause::NotPermitted,
            Self::Errno(number) => meaning(number),
            Self::Interrupted => {
                Cause::Truncated("the table changed whenever it was read".to_owned())
            }
            Self::Other(cause) => cause,
        }
    }

    fn truncated(how: &str) -> Self {
        Self::Other(Cause::Truncated(how.to_owned()))
    }

    fn transport(why: &impl ToString) -> Self {
        Self::Other(Cause::Transport(why.to_string()))
    }
}

/// A netlink socket, opened when it is first needed and again after a failure.
pub(super) struct Netlink {
    protocol: Protocol,
    connection: Option<Connection>,
}

impl Netlink {
    pub(super) const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            connection: None,
        }
    }

    /// All parts of a dump, or none of them.
    ///
    /// A dump that the kernel marks as changed while it was read is read again,
    /// which is common on a busy host (interfaces coming up, addresses being
    /// tested).
    pub(super) async fn dump<P>(&mut self, request: Request<P>) -> Result<Vec<Buffer>, Failure>
    where
        P: Size + ToBytes + Clone + Send + Sync,
    {
        for _ in 1..DUMP_ATTEMPTS {
            match self.exchange(request.clone(), NlmF::DUMP).await {
                Err(Failure::Interrupted) => {}
                answer => return answer,
            }
        }
        self.exchange(request, NlmF::DUMP).await
    }

    /// The parts of two consecutive dumps: for tables of which the kernel does not
    /// report changes during a dump, so that one dump may leave out entries that
    /// were there all the time.
    pub(super) async fn dump_twice<P>(
        &mut self,
        request: Request<P>,
    ) -> Result<Vec<Buffer>, Failure>
    where
        P: Size + ToBytes + Clone + Send + Sync,
    {
        let mut parts = self.dump(request.clone()).await?;
        if !parts.is_empty() {
            parts.extend(self.dump(request).await?);
        }
        Ok(parts)
    }

    /// The one answer to a request that is not a dump.
    pub(super) async fn get<P>(&mut self, request: Request<P>) -> Result<Buffer, Failure>
    where
        P: Size + ToBytes + Send + Sync,
    {
        self.exchange(request, NlmF::ACK)
            .await?
            .pop()
            .ok_or_else(nothing)
    }

    /// Carries out one change.
    pub(super) async fn write<P>(&mut self, request: Request<P>) -> Result<(), Failure>
    where
        P: Size + ToBytes + Send + Sync,
    {
        self.exchange(request, NlmF::ACK).await.map(drop)
    }

    /// Carries out changes in their order, and returns one result for each.
    ///
    /// The kernel handles requests one after the other, so a refused request does
    /// not stop those after it. After a time-out or a failure of the socket, all
    /// remaining requests have that same failure, although the kernel may have
    /// carried some of them out: the caller observes before the next attempt.
    pub(super) async fn write_all<P>(
        &mut self,
        requests: impl ExactSizeIterator<Item = Result<Request<P>, Failure>> + Send,
    ) -> Vec<Result<(), Failure>>
    where
        P: Size + ToBytes + Send + Sync,
    {
        let answers = self.pipeline(requests, WINDOW).await;
        answers.into_iter().map(|answer| answer.map(drop)).collect()
    }

    /// The one answer to each of these requests, in their order.
    pub(super) async fn get_all<P>(
        &mut self,
        requests: impl ExactSizeIterator<Item = Result<Request<P>, Failure>> + Send,
    ) -> Vec<Result<Buffer, Failure>>
    where
        P: Size + ToBytes + Send + Sync,
    {
        let answers = self.pipeline(requests, GET_WINDOW).await;
        let only = |mut parts: Vec<Buffer>| parts.pop().ok_or_else(nothing);
        answers
            .into_iter()
            .map(|answer| answer.and_then(only))
            .collect()
    }

    async fn pipeline<P>(
        &mut self,
        mut requests: impl ExactSizeIterator<Item = Result<Request<P>, Failure>> + Send,
        window: usize,
    ) -> Vec<Result<Vec<Buffer>, Failure>>
    where
        P: Size + ToBytes + Send + Sync,
    {
        let total = requests.len();
        let mut results = Vec::with_capacity(total);
        if total == 0 {
            return results;
        }
        let mut connection = match self.take_connection().await {
            Ok(connection) => connection,
            Err(failure) => {
                results.resize(total, Err(failure));
                return results;
            }
        };
        while results.len() < total {
            let sent = connection.send_all(requests.by_ref().take(window), NlmF::ACK);
            let sent = match sent {
                Ok(sent) => sent,
                Err(failure) => {
                    results.resize(total, Err(failure));
                    return results;
                }
            };
            for sequence in sent {
                let result = match sequence {
                    Ok(sequence) => within(connection.answer(sequence)).await,
                    Err(failure) => Err(failure),
                };
                if result.as_ref().is_err_and(breaks_connection) {
                    results.resize(total, result);
                    return results;
                }
                results.push(result);
            }
        }
        if !results.contains(&Err(Failure::Errno(ENOENT))) {
            self.connection = Some(connection);
        }
        results
    }

    async fn exchange<P>(
        &mut self,
        request: Request<P>,
        flags: NlmF,
    ) -> Result<Vec<Buffer>, Failure>
    where
        P: Size + ToBytes + Send + Sync,
    {
        let mut connection = self.take_connection().await?;
        let answer = within(async {
            let sequence = connection.send(request, flags)?;
            connection.answer(sequence).await
        })
        .await;
        let keep = match &answer {
            Ok(_) => true,
            // After a reload of its module a family has a new number, and the old
            // number is answered with ENOENT like other failures: resolve it again.
            Err(failure) => !breaks_connection(failure) && *failure != Failure::Errno(ENOENT),
        };
        if keep {
            self.connection = Some(connection);
        }
        answer
    }

    /// The connection, which leaves `self` until its request is finished: a
    /// cancelled caller must not leave an unread answer in the connection.
    async fn take_connection(&mut self) -> Result<Connection, Failure> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => within(Connection::open(self.protocol)).await,
        }
    }
}

async fn within<T>(work: impl Future<Output = Result<T, Failure>> + Send) -> Result<T, Failure> {
    timeout(DEADLINE, work)
        .await
        .unwrap_or(Err(Failure::Other(Cause::Timeout(DEADLINE))))
}

fn nothing() -> Failure {
    Failure::truncated("it holds nothing")
}

const fn breaks_connection(failure: &Failure) -> bool {
    match failure {
        Failure::Other(cause) => !matches!(cause, Cause::Unencodable(_)),
        Failure::NoFamily | Failure::Errno(_) | Failure::Interrupted => false,
    }
}

#[cfg(test)]
mod tests;
