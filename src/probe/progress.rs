//! The activity of a probe, the bytes received, and their limit.

use std::fmt;
use std::time::Duration;

use super::exchange_result::Failure;
use crate::model::{ProbeResult, short_duration};
use crate::runtime::shared::Shared;

const KIB: usize = 1024;
/// How much of what came is shown, in bytes.
const SHOWN: usize = 60;

/// The activity of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// Before the first named activity.
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

impl Activity {
    /// The most bytes that may be received meanwhile, TLS and framing included: far
    /// more than a real answer needs, and few enough that a peer that sends without
    /// end costs little.
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

    /// Whether the peer sends the awaited data in parts.
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

    /// Whether the awaited data is text.
    const fn shows_text(self) -> bool {
        matches!(
            self,
            Self::Head | Self::Body | Self::ExpectStep(_) | Self::AgentLine
        )
    }
}

impl fmt::Display for Activity {
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

/// The progress of one part of a probe, shared with its connection.
#[derive(Debug)]
pub(super) struct Progress {
    timeout: Duration,
    state: Shared<State>,
}

#[derive(Debug)]
struct State {
    activity: Activity,
    /// Bytes that may still be received.
    left: usize,
    /// Bytes received of the awaited data.
    came: usize,
    /// The first of them.
    start: Vec<u8>,
    /// The peer does not read.
    blocked: bool,
    /// The activity that exceeded its limit.
    too_much: Option<Activity>,
}

impl Progress {
    pub(super) fn new(timeout: Duration) -> Self {
        let activity = Activity::Starting;
        let state = State {
            activity,
            left: activity.allowance(),
            came: 0,
            start: Vec::new(),
            blocked: false,
            too_much: None,
        };
        Self {
            timeout,
            state: Shared::new(state),
        }
    }

    /// Begins an activity, with its own limit of bytes.
    pub(super) fn begin(&self, activity: Activity) {
        let mut state = self.state.lock();
        state.activity = activity;
        state.left = activity.allowance();
        state.came = 0;
        state.start.clear();
    }

    /// The bytes that may still be read; `None` at the limit.
    pub(super) fn room(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if state.left == 0 {
            state.too_much = Some(state.activity);
            return None;
        }
        Some(state.left)
    }

    /// Counts received bytes.
    pub(super) fn took(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.left = state.left.saturating_sub(bytes);
    }

    /// Counts and keeps awaited data.
    pub(super) fn came(&self, bytes: &[u8]) {
        let mut state = self.state.lock();
        state.came += bytes.len();
        let room = SHOWN.saturating_sub(state.start.len());
        let piece = bytes.get(..room).unwrap_or(bytes);
        state.start.extend_from_slice(piece);
    }

    /// Whether the other end takes what is sent.
    pub(super) fn blocked(&self, blocked: bool) {
        self.state.lock().blocked = blocked;
    }

    /// The failure, if the limit ended the connection.
    pub(super) fn stopped(&self) -> Option<Failure> {
        let activity = self.state.lock().too_much.take()?;
        let most = activity.allowance() / KIB;
        let detail = format!("more than {most} KiB came while {activity}");
        Some(Failure::protocol(detail))
    }

    /// The deadline has passed.
    pub(super) fn late(&self) -> Failure {
        let timeout = short_duration(self.timeout);
        let state = self.state.lock();
        let activity = state.activity;
        let more = state.so_far();
        let detail = format!("timed out after {timeout} while {activity}{more}");
        Failure::new(ProbeResult::Timeout, detail)
    }
}

impl State {
    /// The data received so far, if it arrives in parts.
    fn so_far(&self) -> String {
        let came = self.came;
        if self.blocked {
            ", and the other end does not take what is sent".to_owned()
        } else if !self.activity.receives() {
            String::new()
        } else if came == 0 {
            ", of which nothing came".to_owned()
        } else if self.activity.shows_text() {
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
