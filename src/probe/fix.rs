//! What to do about a failure of which no more is known than its result.

use crate::diagnosis::{Fix, Sight};
use crate::model::ProbeResult;

/// `None` where the diagnosis says as much.
pub(super) fn by_result(result: ProbeResult, sight: Sight) -> Option<Fix> {
    if let Sight::Told(_) = sight {
        return None;
    }
    let there = |text: &'static str| Some(Fix::there(text));
    match (result, sight) {
        (ProbeResult::Timeout, Sight::Wrong) => there(
            "see why the server accepts the connection and does not answer in time: its log, its \
             load (`uptime`), and its connections (`ss -tnp`); if it needs longer, raise the \
             check's `timeout`",
        ),
        (ProbeResult::Reset, Sight::Wrong) => there(
            "see in the server's log why it resets the connection; a limit of connections or a \
             firewall there may do so, too (`nft list ruleset`)",
        ),
        (ProbeResult::Protocol, _) => there(
            "see in the server's log why the answer is not whole, and with `ss -ltnp` whether the \
             right server has the check's port",
        ),
        (ProbeResult::Body, _) => {
            there("compare the answer with the check's `expect`: correct the server or the check")
        }
        (ProbeResult::Status, _) => there(
            "see in the server's log why it answers so; if the answer is right, correct the \
             check's `expect`",
        ),
        (ProbeResult::Tls, _) => there(
            "see in the server's log why the TLS handshake fails, and which versions and suites it \
             offers",
        ),
        (ProbeResult::Internal, _) => Some(Fix::here(
            "see what keeps this host from probing: `lvs-agent doctor`",
        )),
        (
            ProbeResult::Ok
            | ProbeResult::Refused
            | ProbeResult::Timeout
            | ProbeResult::Reset
            | ProbeResult::Unreachable
            | ProbeResult::Unverified,
            _,
        ) => None,
    }
}
