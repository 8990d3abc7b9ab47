//! What came of one probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::WeightAdvice;
use super::exchange_result::ExchangeResult;
use super::fix;
use crate::diagnosis::{Fix, PathResult};
use crate::model::{CertificateExpiry, ProbeResult};
use crate::runtime::clock;
use crate::runtime::printable::printable;

/// What came of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The class of the result.
    pub(crate) result: ProbeResult,
    /// What was seen, for people: `HTTP 503`, `connection refused`.
    pub(crate) detail: String,
    /// From the start of the connection to the end of the exchange.
    pub(crate) duration: Duration,
    /// What the real server, or somebody for it, says of its share.
    pub(crate) advice: Option<WeightAdvice>,
    /// When the certificate ends that the real server showed; `None` without TLS.
    pub(crate) certificate_expiry: Option<CertificateExpiry>,
    /// What was seen at the real server's own address, if it was asked there.
    pub(crate) plain: Option<PathResult>,
    /// What was seen through the VIP, if it was asked there.
    pub(crate) vip: Option<PathResult>,
    /// What to do about a failure, as far as the probe can say.
    pub(crate) fix: Option<Arc<Fix>>,
}

/// The outcome, without the result by path.
pub(super) fn outcome(
    result: ExchangeResult,
    path_result: PathResult,
    started: Instant,
) -> Outcome {
    let duration = clock::monotonic().saturating_duration_since(started);
    let (plain, vip) = (None, None);
    // Whatever of it came from the server, and by whichever check. Most is kept as it is.
    let shown = |detail: String| {
        if detail.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            detail
        } else {
            printable(&detail)
        }
    };
    match result {
        Ok(pass) => Outcome {
            result: ProbeResult::Ok,
            detail: shown(pass.detail),
            duration,
            advice: pass.advice,
            certificate_expiry: pass.certificate_expiry,
            plain,
            vip,
            fix: None,
        },
        Err(failure) => Outcome {
            fix: failure
                .fix
                .or_else(|| fix::by_result(failure.result, path_result))
                .map(Arc::new),
            result: failure.result,
            detail: shown(failure.detail),
            duration,
            advice: None,
            certificate_expiry: None,
            plain,
            vip,
        },
    }
}

/// Both must pass. A failure of the real server's own address is one whatever
/// the way through the VIP says; without one, what is unverified stays so.
pub(super) fn both(through: Outcome, plain: Outcome) -> Outcome {
    let (seen_plain, seen_vip) = (plain.plain, through.vip);
    let decides = match (plain.result.evidence(), through.result.evidence()) {
        (Some(false), _) | (None, Some(true)) => plain,
        (_, Some(false) | None) => through,
        (Some(true), Some(true)) => {
            let ends = [plain.certificate_expiry, through.certificate_expiry];
            Outcome {
                detail: format!("{}; {}", plain.detail, through.detail),
                duration: plain.duration.max(through.duration),
                certificate_expiry: ends.into_iter().flatten().min(),
                ..plain
            }
        }
    };
    Outcome {
        plain: seen_plain,
        vip: seen_vip,
        ..decides
    }
}

pub(super) fn path_result(result: &ExchangeResult, connected: &AtomicBool) -> PathResult {
    let Err(failure) = result else {
        return PathResult::Passed;
    };
    if let Some(path_result) = failure.path_result {
        return path_result;
    }
    match failure.result {
        ProbeResult::Ok => PathResult::Passed,
        ProbeResult::Refused => PathResult::Refused,
        ProbeResult::Timeout if !connected.load(Ordering::Relaxed) => PathResult::NoReply,
        ProbeResult::Unreachable => PathResult::NoNeighbour,
        ProbeResult::Timeout
        | ProbeResult::Reset
        | ProbeResult::Tls
        | ProbeResult::Protocol
        | ProbeResult::Status
        | ProbeResult::Body => PathResult::WrongAnswer,
        ProbeResult::Internal | ProbeResult::Unverified => PathResult::Unknown,
    }
}
