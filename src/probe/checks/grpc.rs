//! The check `grpc`: gRPC's standard health service.

use crate::model::{CertificateExpiry, ProbeResult};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::GrpcCheck;
use crate::net::tls::Application;
use crate::probe::early_answer::EarlyAnswer;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::probe::own_tasks::OwnTasks;
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;

/// `HealthCheckRequest` of `grpc/health/v1/health.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse` of the same; its statuses are [`SERVING`] and others.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;
const NAMES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// What to do about a call that failed: the check has no `expect` to correct.
const WHY_FAILED: &str = "see in the server's log why the call of grpc.health.v1.Health fails, and \
                          with `ss -ltnp` whether a gRPC server has the check's port";
/// The most that is read of an answer, which takes 7 bytes.
const ANSWER_LIMIT: usize = 4096;
/// A flag for compression and a length (`PROTOCOL-HTTP2.md` of gRPC).
const PREFIX: usize = 5;
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// `grpc.health.v1.Health/Check` over HTTP/2.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &GrpcCheck) -> ExchangeResult {
    let target = probing.target(check.port);
    let scheme = if check.tls.is_some() { "https" } else { "http" };
    let message = HealthCheckRequest {
        service: check.service.clone(),
    }
    .encode_to_vec();
    let length = u32::try_from(message.len())
        .map_err(|_| Failure::internal("the service's name is too long"))?;
    let body = [[0].as_slice(), &length.to_be_bytes(), &message].concat();
    let authority = match check.tls.as_ref().and_then(|tls| tls.server_name.as_ref()) {
        Some(name) => name.clone(),
        None => target.to_string(),
    };
    let request = Request::post(format!(
        "{scheme}://{authority}/grpc.health.v1.Health/Check"
    ))
    .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
    .header(TE, HeaderValue::from_static("trailers"))
    .body(Full::from(body))
    .map_err(|error| Failure::internal(format!("no request: {error}")))?;
    let stream = probing.connect_to_send(target).await?;
    let Some(settings) = &check.tls else {
        return exchange(probing, stream, request).await;
    };
    let handshake =
        probing
            .tls
            .handshake(stream, settings, Application::Http2, probing.own_deadline());
    let (stream, end) = handshake.await?;
    Ok(Pass {
        certificate_expiry: end.map(|at| CertificateExpiry {
            at,
            port: target.port(),
        }),
        ..exchange(probing, stream, request).await?
    })
}

pub(in crate::probe) async fn exchange<S>(
    probing: Probing<'_>,
    stream: S,
    request: Request<Full<Bytes>>,
) -> ExchangeResult
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(EarlyAnswer::new(stream));
    let tasks = OwnTasks::new();
    let (mut sender, connection) = http2::handshake(tasks.executor(), stream).await?;
    drive(connection, async move {
        probing.begin(Activity::GrpcHead);
        let response = sender.send_request(request).await?;
        probing.begin(Activity::GrpcMessage);
        judge(response).await
    })
    .await
}

/// Carries an exchange out over its connection. What becomes of the
/// connection is told by the exchange, which fails with it.
async fn drive<T>(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    exchange: impl Future<Output = T>,
) -> T {
    let mut exchange = pin!(exchange);
    let connection = async {
        let _told_by_the_exchange = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        done = &mut exchange => done,
        never = connection => match never {},
    }
}

async fn judge(response: Response<Incoming>) -> ExchangeResult {
    let status = response.status().as_u16();
    if status != 200 {
        let detail = format!("HTTP {status}, expected 200");
        return Err(Failure::new(ProbeResult::Status, detail).with_real_server_fix(WHY_FAILED));
    }
    // A call that fails at once has its status among the headers.
    code(response.headers())?;
    let mut body = response.into_body();
    let mut message = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        if let Some(trailers) = frame.trailers_ref() {
            code(trailers)?;
        } else if let Some(data) = frame.data_ref() {
            if message.len() + data.len() > ANSWER_LIMIT {
                return Err(Failure::protocol("the answer is too long"));
            }
            message.extend_from_slice(data);
        }
    }
    let message = message.get(PREFIX..).unwrap_or_default();
    let answer = HealthCheckResponse::decode(message)
        .map_err(|_| Failure::protocol("not an answer of gRPC's health service"))?;
    if answer.status == SERVING {
        return Ok(Pass::new("SERVING"));
    }
    let name = usize::try_from(answer.status)
        .ok()
        .and_then(|status| NAMES.get(status));
    let name = name.unwrap_or(&"an unknown status");
    let failure = Failure::new(ProbeResult::Status, *name);
    Err(failure.with_real_server_fix(
        "see in the server's log why its health service does not say SERVING",
    ))
}

/// The status of the call; 0 is success.
fn code(headers: &HeaderMap) -> Result<(), Failure> {
    let code = match headers.get(GRPC_STATUS) {
        None => return Ok(()),
        Some(code) => code.to_str().ok().and_then(|code| code.parse().ok()),
    };
    let detail =
        match code {
            Some(0_u32) => return Ok(()),
            // The health service says so of a service that it does not know.
            Some(5) => {
                let detail = "gRPC status 5: no such service";
                return Err(Failure::new(ProbeResult::Status, detail).with_real_server_fix(
                "let the server register the service with its health service, or correct the \
                 check's `service` (empty: the server as a whole)",
            ));
            }
            Some(12) => {
                let detail = "gRPC status 12: no health service there";
                return Err(Failure::new(ProbeResult::Status, detail).with_real_server_fix(
                "let the server offer grpc.health.v1.Health, or use a check of the kind `tcp`",
            ));
            }
            Some(code) => format!("gRPC status {code}"),
            None => return Err(Failure::protocol("no valid gRPC status")),
        };
    Err(Failure::new(ProbeResult::Status, detail).with_real_server_fix(WHY_FAILED))
}

#[cfg(test)]
mod tests;
