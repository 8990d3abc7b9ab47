//! What a probe is doing, how much of an answer has come, and how much may come.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::verdict::Failure;
use crate::model::{ProbeResult, short_duration};

const KIB: usize = 1024;
/// How much of what came is shown, in bytes.
const SHOWN: usize = 60;

/// What a probe is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Nothing that has a name yet.
    Starting,
    Connecting,
    TlsHandshake,
    /// Waiting for the final head of an HTTP answer.
    Head,
    Body,
    /// Reading the status of a real server's agent: some thousand services.
    AgentStatus,
    /// Sending the text of the step with this number, from 1.
    SendStep(usize),
    /// Waiting for the text of the step with this number, from 1.
    ExpectStep(usize),
    Datagram,
    DnsAnswer,
    DnsAnswerOverTcp,
    EchoReply,
    AgentLine,
    GrpcHead,
    GrpcMessage,
    Program,
}

impl Doing {
    /// How many bytes may come on the wire meanwhile, TLS and framing
    /// included: far more than a real answer needs, and little enough that a
    /// peer that sends without end costs next to nothing.
    const fn allowance(self) -> usize {
        match self {
            Self::Head => 32 * KIB,
            // Chunks of one byte take six.
            Self::Body => 512 * KIB,
            Self::AgentStatus => 1536 * KIB,
            Self::Starting
            | Self::Connecting
            | Self::TlsHandshake
            | Self::SendStep(_)
            | Self::ExpectStep(_)
            | Self::Datagram
            | Self::DnsAnswer
            | Self::DnsAnswerOverTcp
            | Self::EchoReply
            | Self::AgentLine
            | Self::GrpcHead
            | Self::GrpcMessage
            | Self::Program => 128 * KIB,
        }
    }

    /// Whether it is something that comes from the other end in parts.
    const fn receives(self) -> bool {
        match self {
            Self::Head
            | Self::Body
            | Self::AgentStatus
            | Self::ExpectStep(_)
            | Self::DnsAnswerOverTcp
            | Self::AgentLine
            | Self::TlsHandshake
            | Self::GrpcHead
            | Self::GrpcMessage => true,
            Self::Starting
            | Self::Connecting
            | Self::SendStep(_)
            | Self::Datagram
            | Self::DnsAnswer
            | Self::EchoReply
            | Self::Program => false,
        }
    }

    /// Whether what comes is text that people can read.
    const fn shows_text(self) -> bool {
        matches!(
            self,
            Self::Head | Self::Body | Self::ExpectStep(_) | Self::AgentLine
        )
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Starting => "starting",
            Self::Connecting => "connecting",
            Self::TlsHandshake => "doing the TLS handshake",
            Self::Head => "waiting for the head of the answer",
            Self::Body => "reading the body",
            Self::AgentStatus => "reading the status of its agent",
            Self::SendStep(step) => return write!(f, "sending the text of step {step}"),
            Self::ExpectStep(step) => return write!(f, "waiting for the text of step {step}"),
            Self::Datagram => "waiting for a datagram in answer",
            Self::DnsAnswer => "waiting for the DNS answer",
            Self::DnsAnswerOverTcp => "waiting for the DNS answer over TCP",
            Self::EchoReply => "waiting for the echo reply",
            Self::AgentLine => "waiting for a line of the agent",
            Self::GrpcHead => "waiting for the head of the gRPC answer",
            Self::GrpcMessage => "waiting for the message of the gRPC answer",
            Self::Program => "waiting for the end of the program",
        };
        f.write_str(words)
    }
}

/// The progress of one part of a probe, known to it and to its connection.
#[derive(Debug)]
pub(super) struct Progress {
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    /// Bytes on the wire that may still come.
    left: usize,
    /// Bytes of what is awaited that have come.
    came: usize,
    /// The first of them.
    start: Vec<u8>,
    /// The other end does not take what is sent.
    blocked: bool,
    /// What was being done when more came than may.
    too_much: Option<Doing>,
}

impl Progress {
    pub(super) fn new(timeout: Duration) -> Self {
        let doing = Doing::Starting;
        let state = State {
            doing,
            left: doing.allowance(),
            came: 0,
            start: Vec::new(),
            blocked: false,
            too_much: None,
        };
        Self {
            timeout,
            state: Mutex::new(state),
        }
    }

    /// Begins something, for which as many bytes may come as it needs at most.
    pub(super) fn begin(&self, doing: Doing) {
        let mut state = self.lock();
        state.doing = doing;
        state.left = doing.allowance();
        state.came = 0;
        state.start.clear();
    }

    /// How many bytes may still be read; `None` if it is enough.
    pub(super) fn room(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.left == 0 {
            state.too_much = Some(state.doing);
            return None;
        }
        Some(state.left)
    }

    /// So many bytes came on the wire.
    pub(super) fn took(&self, bytes: usize) {
        let mut state = self.lock();
        state.left = state.left.saturating_sub(bytes);
    }

    /// This came of what is awaited.
    pub(super) fn came(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.came += bytes.len();
        let room = SHOWN.saturating_sub(state.start.len());
        let piece = bytes.get(..room).unwrap_or(bytes);
        state.start.extend_from_slice(piece);
    }

    /// Whether the other end takes what is sent.
    pub(super) fn blocked(&self, blocked: bool) {
        self.lock().blocked = blocked;
    }

    /// What made the connection end, if it was this.
    pub(super) fn stopped(&self) -> Option<Failure> {
        let doing = self.lock().too_much.take()?;
        let most = doing.allowance() / KIB;
        let detail = format!("more than {most} KiB came while {doing}");
        Some(Failure::protocol(detail))
    }

    /// The deadline has passed.
    pub(super) fn late(&self) -> Failure {
        let timeout = short_duration(self.timeout);
        let state = self.lock();
        let doing = state.doing;
        let more = state.so_far();
        let detail = format!("timed out after {timeout} while {doing}{more}");
        Failure::new(ProbeResult::Timeout, detail)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What came until now, where something is awaited that comes in parts.
    fn so_far(&self) -> String {
        let came = self.came;
        if self.blocked {
            ", and the other end does not take what is sent".to_owned()
        } else if !self.doing.receives() {
            String::new()
        } else if came == 0 {
            ", of which nothing came".to_owned()
        } else if self.doing.shows_text() {
            let more = if came > self.start.len() { "..." } else { "" };
            let start = self.start.escape_ascii();
            format!(", of which {came} bytes came: \"{start}{more}\"")
        } else {
            format!(", of which {came} bytes came")
        }
    }
}

#[cfg(test)]
mod tests;
