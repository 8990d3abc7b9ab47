use tokio::time::timeout_at;

use super::connect;
use super::probing::Probing;
use super::stream::missing;
use super::verdict::{Pass, Verdict};
use crate::config::UdpCheck;

/// The largest datagram (RFC 768).
const DATAGRAM: usize = 65_535;

/// A datagram and its answer.
///
/// Where no answer is expected, silence for half the time-out passes; a port
/// where nobody listens is told by ICMP, and fails at once.
pub(super) async fn probe(probing: Probing<'_>, check: &UdpCheck) -> Verdict {
    let socket = connect::udp(probing.target(check.port), probing.origin).await?;
    socket.send(&check.send).await?;
    let mut answer = vec![0; DATAGRAM];
    let Some(pattern) = &check.expect else {
        let deadline = probing.deadline - probing.timeout / 2;
        return match timeout_at(deadline, socket.recv(&mut answer)).await {
            Ok(Ok(length)) => Ok(Pass::new(format!("answered with {length} bytes"))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Ok(Pass::new("not refused")),
        };
    };
    let length = socket.recv(&mut answer).await?;
    let answer = answer.get(..length).unwrap_or_default();
    match pattern.end_in(answer) {
        Some(_) => Ok(Pass::new(format!("answered with {length} bytes"))),
        None => Err(missing(pattern, answer)),
    }
}

#[cfg(test)]
mod tests;
