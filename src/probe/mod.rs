//! Probes: one execution of a check against one target, and what came of it.

mod advice;
mod agent;
mod body;
mod by_hand;
mod combination;
mod connect;
mod datagrams;
mod dns;
mod early_answer;
mod exec;
mod file;
mod fix;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod grpc;
mod haproxy_agent;
mod http;
mod own_tasks;
mod pace;
mod ping;
mod probing;
mod progress;
mod schedule;
mod stream;
mod targets;
mod task;
mod tls;
mod tls_fix;
mod udp;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::diagnosis::{Fix, Sight};

pub(crate) use advice::Advice;
pub(crate) use pace::{Pace, PaceCell};
pub(crate) use probing::Prober;
pub(crate) use targets::{Identity, ProbeTarget, probe_targets};
pub(crate) use task::{Probe, ProbeId, ProbeSpec, Probes, Report, Route};
pub(crate) use verdict::OUT_OF_DESCRIPTORS;

#[cfg(test)]
pub(crate) mod fixture;

/// What came of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The class of the result.
    pub(crate) result: ProbeResult,
    /// What was seen, for people: `HTTP 503`, `connection refused`.
    pub(crate) detail: String,
    /// From the start of the connection to the verdict.
    pub(crate) duration: Duration,
    /// What the real server, or somebody for it, says of its share.
    pub(crate) advice: Option<Advice>,
    /// When the certificate ends that the real server showed; `None` without TLS.
    pub(crate) certificate_expiry: Option<SystemTime>,
    /// What was seen at the real server's own address, if it was asked there.
    pub(crate) plain: Option<Sight>,
    /// What was seen through the VIP, if it was asked there.
    pub(crate) vip: Option<Sight>,
    /// What to do about a failure, as far as the probe can say.
    pub(crate) fix: Option<Arc<Fix>>,
}

/// The closed set of results: the label `result` of `lvs_probes_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ProbeResult {
    /// The check passed.
    Ok,
    /// The connection was refused.
    Refused,
    /// The deadline passed before the exchange was whole.
    Timeout,
    /// The connection was reset.
    Reset,
    /// The network said that there is no way there.
    Unreachable,
    /// The TLS handshake failed.
    Tls,
    /// The answer was not of the check's protocol, or stopped short.
    Protocol,
    /// The status was not one of those expected: of HTTP, DNS or gRPC, a
    /// program's exit code, or what an agent says of itself.
    Status,
    /// The body was not as expected: of HTTP, a datagram, a DNS answer, or
    /// what came in a conversation.
    Body,
    /// It is not known whose answer it was, or would have been: it says
    /// nothing of the real server.
    Unverified,
    /// The probe could not be made for a reason of this host's own (file
    /// descriptors, memory, ports, capabilities): it says nothing of the real
    /// server.
    Internal,
}

impl ProbeResult {
    /// Every result, in the order of their indexes.
    pub(crate) const ALL: [Self; 11] = [
        Self::Ok,
        Self::Refused,
        Self::Timeout,
        Self::Reset,
        Self::Unreachable,
        Self::Tls,
        Self::Protocol,
        Self::Status,
        Self::Body,
        Self::Unverified,
        Self::Internal,
    ];

    /// The label's value.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Body => "body",
            Self::Unverified => "unverified",
            Self::Internal => "internal",
        }
    }

    /// Whether it speaks for the real server or against it; `None` if it says
    /// nothing of it.
    pub(crate) const fn evidence(self) -> Option<bool> {
        match self {
            Self::Ok => Some(true),
            Self::Internal | Self::Unverified => None,
            Self::Refused
            | Self::Timeout
            | Self::Reset
            | Self::Unreachable
            | Self::Tls
            | Self::Protocol
            | Self::Status
            | Self::Body => Some(false),
        }
    }

    /// The place in [`ProbeResult::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
