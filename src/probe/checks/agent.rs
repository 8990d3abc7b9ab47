//! The check `agent`: the readiness that the real server's own lvs-agent reports.

#[cfg(fuzzing)]
pub(in crate::probe) mod fuzzing;

use std::net::SocketAddr;

use serde::de::IgnoredAny;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use crate::config::AgentCheck;
use crate::diagnosis::{Fix, PathResult};
use crate::model::{Diagnosis, ProbeResult, Protocol, ServiceKey};
use crate::probe::detail::printable;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::probe::http1::Exchange;
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;
use crate::status::document::Status;

/// The most that is read of a status: some thousand services.
const LARGEST: usize = 1024 * 1024;

/// What is read of the other end's `/readiness`, which may be of another version. Virtual
/// services are a director's, and not looked at.
type Answer = Status<IgnoredAny>;

/// Asks the real server's own agent whether it can serve this VIP and port.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &AgentCheck) -> ExchangeResult {
    let Some(ServiceKey::Address { protocol, address }) = check.service else {
        return Err(Failure::internal("no service to ask for"));
    };
    let target = probing.target(Some(check.port));
    let answer = match timeout_at(probing.deadline, ask(probing, target, protocol, address)).await {
        Ok(answer) => answer.map_err(|failure| probing.progress.stopped().unwrap_or(failure)),
        Err(_) => Err(probing.late()),
    };
    let answer = answer.map_err(|failure| match failure.result.evidence() {
        // Which of those that are asked failed is not known otherwise.
        Some(_) => Failure {
            detail: format!(
                "the agent at {target} could not be asked: {}",
                failure.detail
            ),
            fix: Some(Fix::on_real_server(format!(
                "see whether the agent runs and lets this director ask: `systemctl status \
                 lvs-agent-real-server`, `ss -ltnp 'sport = :{}'`, `nft list ruleset`, and \
                 `http.listen` in its configuration",
                target.port()
            ))),
            ..failure
        },
        None => failure,
    });
    judge(answer?, protocol, address)
}

/// Asks for the readiness of the one service.
async fn ask(
    probing: Probing<'_>,
    target: SocketAddr,
    protocol: Protocol,
    vip: SocketAddr,
) -> Result<Answer, Failure> {
    let stream = probing.connect_to_send(target).await?;
    let request = format!(
        "GET /readiness?service={protocol}/{vip} HTTP/1.1\r\nhost: {target}\r\n\
         connection: close\r\n\r\n"
    );
    let mut exchange = Exchange::new(stream, request.into_bytes(), false);
    let body = Box::pin(read(probing, &mut exchange)).await;
    let body = body.map_err(|failure| exchange.explain(failure))?;
    let not_understood =
        |why: &str| Failure::protocol(format!("not the status of a real server's agent: {why}"));
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| not_understood(&printable(&error.to_string())))?;
    if answer.mode.is_empty() {
        return Err(not_understood("the field `mode` is missing"));
    }
    Ok(answer)
}

/// The body of the answer.
async fn read<S>(probing: Probing<'_>, exchange: &mut Exchange<S>) -> Result<Vec<u8>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    probing.begin(Activity::Head);
    let status = exchange.status().await?;
    if status != 200 {
        let detail = format!("HTTP {status}, expected 200");
        return Err(Failure::new(ProbeResult::Status, detail));
    }
    probing.begin(Activity::AgentStatus);
    let mut read = Vec::new();
    while let Some(data) = exchange.data().await? {
        read.extend_from_slice(data);
        if read.len() > LARGEST {
            return Err(Failure::protocol("its status is larger than 1 MiB"));
        }
    }
    Ok(read)
}

fn judge(answer: Answer, protocol: Protocol, vip: SocketAddr) -> ExchangeResult {
    let not_ready = |detail| Err(Failure::new(ProbeResult::Status, detail));
    if answer.mode != "real_server" {
        let mode = printable(&answer.mode);
        let failure = format!("the agent there is a {mode}, not a real_server");
        return Err(
            Failure::new(ProbeResult::Status, failure).with_real_server_fix(
                "let `lvs-agent run --real-server` listen there, or correct the check's `port`",
            ),
        );
    }
    let Some(readiness) = answer.readiness else {
        return not_ready(
            "the agent does not tell whether it is ready: it has just started".to_owned(),
        );
    };
    let mut services = readiness.services.into_iter();
    let service = services.find(|service| {
        let same = service.protocol.parse() == Ok(protocol);
        same && service.address.parse() == Ok(vip)
    });
    match service {
        None => {
            let detail =
                format!("the agent does not serve {protocol} {vip}: see its configuration");
            Err(
                Failure::new(ProbeResult::Status, detail).with_real_server_fix(format!(
                    "list the host's address among the real servers of {protocol} {vip} in the \
                 configuration of its lvs-agent, and `lvs-agent reload`"
                )),
            )
        }
        Some(service) if service.ready => Ok(Pass::new("the agent is ready")),
        Some(service) => {
            let reasons = printable(&service.reasons.join("; "));
            let reported = service.diagnosis.and_then(|word| {
                let mut all = Diagnosis::ALL.into_iter();
                all.find(|diagnosis| diagnosis.as_str() == word && *diagnosis != Diagnosis::Ok)
            });
            let failure = Failure::new(ProbeResult::Status, format!("not ready: {reasons}"));
            let failure = if reported.is_some() {
                failure
            } else {
                failure.with_real_server_fix(
                    "do what `lvs-agent doctor --real-server` says for the reasons that the last \
                     probe shows",
                )
            };
            Err(Failure {
                path_result: reported.map(PathResult::Reported),
                ..failure
            })
        }
    }
}

#[cfg(test)]
mod tests;
