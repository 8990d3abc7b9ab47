use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use http_body_util::Full;
use hyper::Request;
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use crate::config::{HttpCheck, Secret};
use crate::model::ProbeResult;
use crate::net::tls::Application;
use crate::probe::body;
use crate::probe::by_hand::curl;
use crate::probe::early_answer::{EarlyAnswer, Reset};
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;
use crate::probe::verdict::{Failure, Pass, Verdict};

/// The most header lines of an answer. hyper makes room for all of them, 64 bytes
/// each, at each answer.
const MAX_HEADERS: usize = 256;

/// A connection that is to be driven while an exchange is made over it.
type Driven<S, B> = http1::Connection<TokioIo<EarlyAnswer<S>>, B>;

/// One request over HTTP/1.1.
///
/// Every probe has a connection of its own, goes to its target past any proxy
/// of the environment, follows no redirect, keeps no cookie and is made once:
/// a second try would hide the failure that it is there to find.
///
/// The path is sent as the URL standard normalises it (WHATWG, by the `url`
/// crate): `.` and `..` segments are resolved, `\` becomes `/`, anything from
/// `#` on is dropped, and what may not stand in a URL, such as a space, is
/// percent-encoded. Percent-encoding that is there already stays.
///
/// The head of a response is bounded: [`MAX_HEADERS`], and as many bytes as
/// [`Activity::Head`] may take, those of interim responses (1xx) included.
///
/// What is read of the body, [`body::judge`] says. Where the status is none of
/// those expected, the body is not waited for.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &HttpCheck) -> Verdict {
    let target = probing.target(check.port);
    let request = request(target, check)?;
    let stream = probing.connect(target).await?;
    let Some(settings) = &check.tls else {
        let exchange = exchange(probing, stream, request, check).await;
        return exchange
            .map(Pass::new)
            .map_err(|failure| with_fix(failure, target, check));
    };
    // The state of TLS is large, and a plain probe need not make room for it.
    Box::pin(async {
        let handshake =
            probing
                .tls
                .handshake(stream, settings, Application::Any, probing.own_deadline());
        let (stream, certificate_expiry) = handshake.await?;
        let detail = exchange(probing, stream, request, check).await;
        let detail = detail.map_err(|failure| with_fix(failure, target, check))?;
        Ok(Pass {
            certificate_expiry,
            ..Pass::new(detail)
        })
    })
    .await
}

/// Adds the command that repeats the request, for an answer that is not as
/// expected.
fn with_fix(failure: Failure, target: SocketAddr, check: &HttpCheck) -> Failure {
    let key = match failure.result {
        ProbeResult::Status => "expect.status",
        ProbeResult::Body => "expect.body",
        ProbeResult::Ok
        | ProbeResult::Refused
        | ProbeResult::Timeout
        | ProbeResult::Reset
        | ProbeResult::Unreachable
        | ProbeResult::Tls
        | ProbeResult::Protocol
        | ProbeResult::Unverified
        | ProbeResult::Internal => return failure,
    };
    failure.with_real_server_fix(format!(
        "see in the server's log why it answers so (`{}` asks as the check does); if the answer is \
         right, correct the check's `{key}`",
        curl(target, check)
    ))
}

pub(in crate::probe) fn request(
    target: SocketAddr,
    check: &HttpCheck,
) -> Result<Request<Full<Bytes>>, Failure> {
    let scheme = if check.tls.is_some() { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{target}{}", check.path));
    let url = url.map_err(|error| Failure::internal(format!("no URL: {error}")))?;
    let host = host(target, check);
    let body = match &check.body {
        Some(body) => known(body, "the body")?.to_owned(),
        None => String::new(),
    };
    let mut request = Request::builder()
        .method(check.method.as_str())
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, host)
        .header(CONNECTION, "close")
        .body(Full::from(body))
        .map_err(|error| Failure::internal(format!("no request: {error}")))?;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let agent = concat!("lvs-agent/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in &check.headers {
        let invalid = |_| Failure::internal(format!("no header: {name}"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(invalid)?;
        let invalid = |_| Failure::internal(format!("no value of the header {name}"));
        let text = known(value, &format!("the header {name}"))?;
        let mut value = HeaderValue::from_str(text).map_err(invalid)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(request)
}

/// A secret of the request, which a command beside the agent may be without.
fn known<'s>(secret: &'s Secret, of: &str) -> Result<&'s str, Failure> {
    secret.expose().ok_or_else(|| {
        let failure = Failure::internal(format!("{of} is a secret that this command has not got"));
        failure.with_director_fix(
            "give the command what the agent's unit gives the agent, such as the environment; or \
             see `lvs-agent status`, which shows what the agent itself found",
        )
    })
}

/// The `Host` header: as the file has it, or with the port that is asked where
/// that is not the scheme's own (RFC 9110, section 7.2).
pub(in crate::probe) fn host(target: SocketAddr, check: &HttpCheck) -> String {
    let usual_port = if check.tls.is_some() { 443 } else { 80 };
    let port = target.port();
    match (&check.host, port == usual_port) {
        (Some(vip), false) if check.host_is_vip => format!("{vip}:{port}"),
        (Some(host), _) => host.clone(),
        (None, false) => target.to_string(),
        (None, true) => match target.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        },
    }
}

pub(in crate::probe) async fn exchange<S>(
    probing: Probing<'_>,
    stream: S,
    request: Request<Full<Bytes>>,
    check: &HttpCheck,
) -> Result<String, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection, reset) = handshake(stream).await?;
    let judged = drive(connection, async move {
        probing.begin(Activity::Head);
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        if !check.expected_status.contains(status) {
            let detail = format!("HTTP {status}, expected {}", check.expected_status);
            return Err(Failure::new(ProbeResult::Status, detail));
        }
        probing.begin(Activity::Body);
        let (body, expected) = (response.into_body(), check.expected_body.as_ref());
        body::judge(status, body, expected, probing.deadline, probing.timeout).await
    });
    judged.await.map_err(|failure| reset.explain(failure))
}

/// What hyper has for HTTP/1.1 over `stream`, and whether the answer ended by
/// a reset.
///
/// Answers are read as leniently as hyper can: their status counts, and not
/// how well the other lines of their heads are made.
pub(in crate::probe) async fn handshake<S, B>(
    stream: S,
) -> Result<(http1::SendRequest<B>, Driven<S, B>, Reset), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let stream = EarlyAnswer::after_request(stream);
    let reset = stream.reset();
    let mut builder = http1::Builder::new();
    let builder = builder
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_headers(MAX_HEADERS);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    Ok((sender, connection, reset))
}

/// Carries an exchange out over its connection. What becomes of the
/// connection is told by the exchange, which fails with it.
pub(in crate::probe) async fn drive<T>(
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

#[cfg(test)]
mod tests;
