//! What to do about a failure of which no more is known than its result.

use crate::diagnosis::{Fix, PathResult};
use crate::model::ProbeResult;

/// `None` where the diagnosis says as much.
pub(super) fn by_result(result: ProbeResult, path_result: PathResult) -> Option<Fix> {
    if let PathResult::Reported(_) = path_result {
        return None;
    }
    let there = |text: &'static str| Some(Fix::on_real_server(text));
    match (result, path_result) {
        (ProbeResult::Timeout, PathResult::WrongAnswer) => there(
            "see why the server accepts the connection and does not answer in time: its log, its \
             load (`uptime`), and its connections (`ss -tnp`); if it needs longer, raise the \
             check's `timeout`",
        ),
        (ProbeResult::Reset, PathResult::WrongAnswer) => there(
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
        (ProbeResult::Internal, _) => Some(Fix::on_director(
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
