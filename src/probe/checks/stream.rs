//! The checks `tcp` and `tls`: a connection and a conversation.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout_at;

use crate::config::{Pattern, Step, StreamCheck};
use crate::model::{CertificateExpiry, ProbeResult};
use crate::net::tls::Application;
use crate::probe::early_answer::EarlyAnswer;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;

/// How much may come before what a step expects: it is looked through again
/// with every piece that comes.
const ANSWER_LIMIT: usize = 8 * 1024;
/// How much of a wrong answer is shown, in bytes.
const SHOWN: usize = 60;

/// A connection over TCP, with TLS if asked for, and a conversation over it.
///
/// What the other end said counts also where it closed or reset the connection
/// after that.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &StreamCheck) -> ExchangeResult {
    let target = probing.target(check.port);
    let stream = probing.connect(target).await?;
    let Some(settings) = &check.tls else {
        converse(probing, EarlyAnswer::new(stream), &check.steps).await?;
        return Ok(Pass::new("connected"));
    };
    let handshake =
        probing
            .tls
            .handshake(stream, settings, Application::Any, probing.own_deadline());
    let (stream, end) = handshake.await?;
    converse(probing, EarlyAnswer::new(stream), &check.steps).await?;
    Ok(Pass {
        certificate_expiry: end.map(|at| CertificateExpiry {
            at,
            port: target.port(),
        }),
        ..Pass::new("connected with TLS")
    })
}

pub(in crate::probe) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    probing: Probing<'_>,
    mut stream: EarlyAnswer<S>,
    steps: &[Step],
) -> Result<(), Failure> {
    let mut came = Vec::new();
    for (number, step) in (1..).zip(steps) {
        match step {
            Step::Send(bytes) => {
                // What follows is an answer to this, as with HAProxy's `send`.
                came.clear();
                probing.begin(Activity::SendStep(number));
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Step::Expect(pattern) => {
                probing.begin(Activity::ExpectStep(number));
                expect(probing, &mut stream, pattern, &mut came).await?;
            }
        }
    }
    if stream.was_refused() {
        // A refused write is no failure where the peer has sent something before.
        let _end_or_more = stream.read(&mut [0]).await?;
    }
    Ok(())
}

/// Reads until the pattern has come; what follows it is left for the next.
async fn expect(
    probing: Probing<'_>,
    stream: &mut (impl AsyncRead + Unpin),
    pattern: &Pattern,
    came: &mut Vec<u8>,
) -> Result<(), Failure> {
    loop {
        if let Some(end) = pattern.end_in(came) {
            came.drain(..end);
            return Ok(());
        }
        let room = ANSWER_LIMIT.saturating_sub(came.len());
        if room == 0 {
            return Err(missing(pattern, came));
        }
        let mut piece = [0; 1024];
        let piece = piece.get_mut(..room.min(1024)).unwrap_or_default();
        match timeout_at(probing.deadline, stream.read(piece)).await {
            Ok(Ok(0)) if came.is_empty() => {
                return Err(Failure::protocol(format!(
                    "closed without an answer, expected {pattern}"
                )));
            }
            Ok(Ok(0)) => return Err(missing(pattern, came)),
            Ok(Ok(length)) => came.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Ok(Err(error)) => return Err(error.into()),
            // A wrong answer keeps the line open as a slow one does.
            Err(_) if !came.is_empty() => return Err(missing(pattern, came)),
            Err(_) => {
                let failure = probing.late();
                let detail = format!("{}, expected {pattern}", failure.detail);
                return Err(Failure { detail, ..failure });
            }
        }
    }
}

/// What came is not what was expected.
pub(in crate::probe) fn missing(pattern: &Pattern, came: &[u8]) -> Failure {
    let shown = came.get(..SHOWN).unwrap_or(came).escape_ascii();
    let more = if came.len() > SHOWN { "..." } else { "" };
    let detail = format!("expected {pattern}, got \"{shown}{more}\"");
    Failure::new(ProbeResult::Body, detail)
}

#[cfg(test)]
mod tests;
