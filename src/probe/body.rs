//! The body of an HTTP answer whose status is right: how much of it is read,
//! and what it has to have.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::exchange_result::Failure;
use super::http1::Exchange;
use crate::config::{ExpectedBody, Pattern};
use crate::model::{ProbeResult, short_duration};
use crate::runtime::clock;

/// How much of a body is read before the status alone decides: enough to see
/// that a page is being served, and no more however large it is.
pub(super) const BODY_LIMIT: usize = 64 * 1024;

/// How long a body of which nothing is expected may take before the status
/// alone decides.
const LONGEST: Duration = Duration::from_secs(1);

/// After so many pieces of a body it is searched only each time that it has
/// doubled, and at its end.
const SEARCHES: usize = 256;

/// Why no more is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Found,
    Whole,
    Limit,
    Late,
}

/// Reads the body of an answer of this status: the detail of the pass, or why
/// it is none.
///
/// Where nothing is expected of the body, the body only has to be well-formed
/// as far as it comes within a second: a body that does not end, as an event
/// stream's, leaves the decision to the status, as in HAProxy. What is expected
/// passes as soon as it has come. What must not be there fails as soon as it has come,
/// and passes with the end of the body.
pub(super) async fn judge<S: AsyncRead + AsyncWrite + Unpin>(
    status: u16,
    answer: &mut Exchange<S>,
    expected: Option<&ExpectedBody>,
    deadline: Instant,
    timeout: Duration,
) -> Result<String, Failure> {
    let started = Instant::from_std(clock::monotonic());
    let wanted = match expected {
        None => None,
        Some(ExpectedBody::With(pattern)) => Some((pattern, true)),
        Some(ExpectedBody::Without(pattern)) => Some((pattern, false)),
    };
    let until = match wanted {
        None => started + LONGEST.min(deadline.saturating_duration_since(started)),
        Some(_) => deadline,
    };
    let (end, kept) = read(answer, wanted.map(|(pattern, _)| pattern), until).await?;
    let Some((pattern, is_wanted)) = wanted else {
        return Ok(any(status, end, timeout));
    };
    let is_there = end == End::Found || pattern.end_in(&kept).is_some();
    match (is_there, is_wanted) {
        (true, true) => Ok(format!("HTTP {status}")),
        (true, false) => {
            let detail =
                format!("HTTP {status}, with {pattern} in its body, which must not be there");
            Err(Failure::new(ProbeResult::Body, detail))
        }
        (false, true) => Err(missing(status, pattern, end, &kept, timeout)),
        (false, false) => absent(status, pattern, end, timeout),
    }
}

/// Nothing is expected of the body.
fn any(status: u16, end: End, timeout: Duration) -> String {
    match end {
        End::Late => {
            let wait = short_duration(LONGEST.min(timeout));
            format!("HTTP {status}, whose body had not ended after {wait}")
        }
        End::Found | End::Whole | End::Limit => format!("HTTP {status}"),
    }
}

/// What must not be there has not come.
fn absent(status: u16, pattern: &Pattern, end: End, timeout: Duration) -> Result<String, Failure> {
    match end {
        End::Late => {
            let timeout = short_duration(timeout);
            let detail = format!(
                "HTTP {status}, whose body had not ended after {timeout}; {pattern} may still come"
            );
            Err(Failure::new(ProbeResult::Timeout, detail))
        }
        End::Limit => Ok(format!(
            "HTTP {status}, without {pattern} in the first {} KiB of its body",
            BODY_LIMIT / 1024
        )),
        End::Found | End::Whole => Ok(format!("HTTP {status}")),
    }
}

/// What was expected has not come.
fn missing(status: u16, pattern: &Pattern, end: End, kept: &[u8], timeout: Duration) -> Failure {
    let timeout = short_duration(timeout);
    let length = kept.len();
    let detail = match end {
        End::Late if kept.is_empty() => {
            let detail = format!(
                "HTTP {status}, but nothing of its body came within {timeout}; \
                 expected {pattern} in it"
            );
            return Failure::new(ProbeResult::Timeout, detail);
        }
        End::Late => format!("in the {length} bytes of its body that came within {timeout}"),
        End::Limit => format!("in the first {} KiB of its body", BODY_LIMIT / 1024),
        End::Found | End::Whole => "in its body".to_owned(),
    };
    let detail = format!("HTTP {status}, without {pattern} {detail}");
    Failure::new(ProbeResult::Body, detail)
}

/// What came of the body, which is kept only to be searched.
async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    answer: &mut Exchange<S>,
    pattern: Option<&Pattern>,
    until: Instant,
) -> Result<(End, Vec<u8>), Failure> {
    let (mut read, mut kept) = (0, Vec::new());
    let mut search = Search::default();
    while read < BODY_LIMIT {
        let data = match timeout_at(until, answer.data()).await {
            Err(_) => return Ok((End::Late, kept)),
            Ok(Ok(None)) => return Ok((End::Whole, kept)),
            Ok(Err(_)) if Instant::from_std(clock::monotonic()) >= until => {
                return Ok((End::Late, kept));
            }
            Ok(Err(failure)) => return Err(failure),
            Ok(Ok(Some(data))) => data,
        };
        if let Some(pattern) = pattern {
            let room = (BODY_LIMIT - read).min(data.len());
            kept.extend_from_slice(data.get(..room).unwrap_or_default());
            if pattern.is_settled_by_a_part()
                && search.is_due(kept.len())
                && pattern.end_in(&kept).is_some()
            {
                return Ok((End::Found, kept));
            }
        }
        read += data.len();
    }
    Ok((End::Limit, kept))
}

/// When a growing body is searched: the work must not grow with the square of
/// its length.
#[derive(Default)]
struct Search {
    made: usize,
    last: usize,
}

impl Search {
    fn is_due(&mut self, length: usize) -> bool {
        let due = self.made < SEARCHES || length >= self.last * 2;
        if due {
            self.made += 1;
            self.last = length;
        }
        due
    }
}
