//! One open socket: requests are encoded and sent, and answers are read to their end.

use std::io::{Cursor, ErrorKind};
use std::ops::Range;
use std::time::Duration;

use neli::consts::genl::{CtrlAttr, CtrlCmd};
use neli::consts::nl::{GenlId, NlmF};
use neli::consts::socket::{Msg, NlFamily};
use neli::err::BuilderError;
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, NlattrBuilder};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::socket::NlSocket;
use neli::types::Buffer;
use neli::utils::Groups;
use neli::{Size, ToBytes};
use tokio::task::coop::consume_budget;
use tokio::time::sleep;

use super::answer::{Answer, Message};
use super::{ENOENT, Failure, MessageType, Protocol, Request, nothing};
use crate::kernel::Cause;
use crate::kernel::attributes::{GenericAttributes, u16_of, unencodable};

/// The kernel puts at most this much of a dump into one message to a reader
/// (`netlink_recvmsg` in `net/netlink/af_netlink.c`), and more into none for a
/// smaller buffer.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// How much several requests that are sent in one system call have together. A
/// single one may be larger. The kernel works on all of them before the call
/// returns, for which a thread of the runtime waits.
const SEND_SIZE: usize = 4 * 1024;

/// From one look for an answer to the next, where it is not there at once.
const PAUSE: Duration = Duration::from_millis(1);

/// The version of `CTRL_CMD_GETFAMILY` that libnl and iproute2 send.
const CONTROL_VERSION: u8 = 2;

/// An open socket.
pub(super) struct Connection {
    socket: NlSocket,
    /// The generic family's number; 0 for the others, which have no use for it.
    family: u16,
    /// The sequence number of the latest request.
    sequence: u32,
    buffer: Vec<u8>,
    /// Where in the buffer the messages are that are not looked at yet.
    unread: Range<usize>,
}

impl Connection {
    /// Opens a socket, and looks up the number of the family.
    pub(super) async fn open(protocol: Protocol) -> Result<Self, Failure> {
        let family = match protocol {
            Protocol::Route => NlFamily::Route,
            Protocol::Sockets => NlFamily::SockOrInetDiag,
            Protocol::Generic(_) => NlFamily::Generic,
        };
        let socket = NlSocket::connect(family, None, Groups::empty())
            .and_then(|socket| socket.nonblock().map(|()| socket))
            .map_err(|error| Failure::transport(&error))?;
        let mut connection = Self {
            socket,
            family: 0,
            sequence: 0,
            buffer: vec![0; RECEIVE_BUFFER],
            unread: 0..0,
        };
        if let Protocol::Generic(name) = protocol {
            connection.family = connection.resolve(name).await?;
        }
        Ok(connection)
    }

    /// The number of a generic family (`CTRL_CMD_GETFAMILY` of `linux/genetlink.h`).
    async fn resolve(&mut self, name: &str) -> Result<u16, Failure> {
        let request = Request {
            message_type: MessageType::Control,
            flags: NlmF::empty(),
            body: get_family(name).map_err(|error| Failure::Other(unencodable(error)))?,
        };
        let sequence = self.send(request, NlmF::ACK)?;
        let answer = self.answer(sequence).await;
        if answer == Err(Failure::Errno(ENOENT)) {
            return Err(Failure::NoFamily);
        }
        let parts = answer?;
        let message = parts.first().ok_or_else(nothing)?;
        let number = GenericAttributes::of(message.as_ref())
            .and_then(|(_, attributes)| attributes.value(CtrlAttr::FamilyId, "FAMILY_ID", u16_of))
            .map_err(|error| Failure::Other(error.into()))?;
        Ok(number)
    }

    /// Sends one request, and returns its sequence number.
    pub(super) fn send<P>(&mut self, request: Request<P>, flags: NlmF) -> Result<u32, Failure>
    where
        P: Size + ToBytes,
    {
        let mut bytes = Cursor::new(Vec::new());
        let sequence = self.encode(&mut bytes, request, flags)?;
        self.write(bytes.get_ref())?;
        Ok(sequence)
    }

    /// Sends requests in their order, and returns the sequence number of each that
    /// could be encoded. Fails when the socket does: what the kernel has received
    /// then is not known.
    pub(super) fn send_all<P>(
        &mut self,
        requests: impl Iterator<Item = Result<Request<P>, Failure>>,
        flags: NlmF,
    ) -> Result<Vec<Result<u32, Failure>>, Failure>
    where
        P: Size + ToBytes,
    {
        let mut sent = Vec::new();
        let mut bytes = Cursor::new(Vec::new());
        for request in requests {
            let before = bytes.get_ref().len();
            sent.push(request.and_then(|request| self.encode(&mut bytes, request, flags)));
            if before > 0 && bytes.get_ref().len() > SEND_SIZE {
                self.write(bytes.get_ref().get(..before).unwrap_or_default())?;
                bytes.get_mut().drain(..before);
            }
        }
        if !bytes.get_ref().is_empty() {
            self.write(bytes.get_ref())?;
        }
        Ok(sent)
    }

    /// Appends a request; nothing, if it cannot be encoded.
    fn encode<P>(
        &mut self,
        bytes: &mut Cursor<Vec<u8>>,
        request: Request<P>,
        flags: NlmF,
    ) -> Result<u32, Failure>
    where
        P: Size + ToBytes,
    {
        let message_type = match request.message_type {
            MessageType::Route(kind) => u16::from(kind),
            MessageType::Sockets => super::SOCK_DIAG_BY_FAMILY,
            MessageType::Control => GenlId::Ctrl.into(),
            MessageType::Family => self.family,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let unencodable = |why: String| Failure::Other(Cause::Unencodable(why));
        let message = NlmsghdrBuilder::default()
            .nl_type(message_type)
            .nl_flags(request.flags | flags | NlmF::REQUEST)
            .nl_seq(self.sequence)
            .nl_payload(NlPayload::Payload(request.body))
            .build()
            .map_err(|error| unencodable(error.to_string()))?;
        let before = bytes.get_ref().len();
        bytes.set_position(before as u64);
        if let Err(error) = message.to_bytes(bytes) {
            bytes.get_mut().truncate(before);
            return Err(unencodable(error.to_string()));
        }
        Ok(self.sequence)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = self.socket.send(bytes, Msg::empty());
        sent.map(drop).map_err(|error| Failure::transport(&error))
    }

    /// The parts of the answer to a request that was sent.
    pub(super) async fn answer(&mut self, sequence: u32) -> Result<Vec<Buffer>, Failure> {
        let mut answer = Answer::default();
        while !answer.is_over() {
            let message = self.next().await?;
            if message.sequence == sequence {
                answer.take(&message)?;
            }
        }
        answer.finish()
    }

    async fn next(&mut self) -> Result<Message<'_>, Failure> {
        if self.unread.is_empty() {
            self.read().await?;
        }
        let unread = self.buffer.get(self.unread.clone()).unwrap_or_default();
        let (message, taken) =
            Message::first(unread).ok_or_else(|| Failure::truncated("a message is not whole"))?;
        self.unread.start = self.unread.start.saturating_add(taken);
        Ok(message)
    }

    /// Reads what the kernel has put into the socket in one piece.
    async fn read(&mut self) -> Result<(), Failure> {
        // Where the answer is there already, as it is nearly always, nothing else
        // makes a task of many answers give way to others.
        consume_budget().await;
        let length = loop {
            // The flag makes the kernel return the whole length, also of what it cuts.
            match self.socket.recv(&mut self.buffer, Msg::TRUNC) {
                Ok((length, _)) => break length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(PAUSE).await,
                Err(error) => return Err(Failure::transport(&error)),
            }
        };
        if length > self.buffer.len() {
            return Err(Failure::truncated("a message exceeds the buffer"));
        }
        self.unread = 0..length;
        Ok(())
    }
}

fn get_family(name: &str) -> Result<Genlmsghdr<CtrlCmd, CtrlAttr>, BuilderError> {
    let attribute = NlattrBuilder::default()
        .nla_type(
            AttrTypeBuilder::default()
                .nla_type(CtrlAttr::FamilyName)
                .build()?,
        )
        .nla_payload(name)
        .build()?;
    let message = GenlmsghdrBuilder::default()
        .cmd(CtrlCmd::Getfamily)
        .version(CONTROL_VERSION)
        .attrs([attribute].into_iter().collect())
        .build()?;
    Ok(message)
}
