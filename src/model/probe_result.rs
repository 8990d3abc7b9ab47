//! The classes of results that a probe has.

/// The closed set of results. `lvs_probes_total` has them as its label `result`, where all
/// that speak against the real server are `failed`; those are the label `cause` of
/// `lvs_probe_failures_total`.
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
    /// The host of the answer, or of its absence, is not known: the result says
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
