use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use super::ProbeResult;
use super::by_hand::curl;
use super::probing::Probing;
use super::verdict::{Failure, Pass, Verdict};
use crate::config::HttpCheck;
use crate::tls::Application;

/// How much of a body is read before the status alone decides: enough to see
/// that a page is being served, and no more however large it is.
const BODY_LIMIT: usize = 64 * 1024;

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
/// The head of a response is bounded by hyper: 100 headers and a read buffer
/// of 417,792 bytes (`DEFAULT_MAX_HEADERS` in `proto/h1/role.rs` and
/// `DEFAULT_MAX_BUFFER_SIZE` in `proto/h1/io.rs` of hyper 1.12).
///
/// The body is read up to 64 KiB; then, or at its end, the status decides, and
/// whether the body has what is expected. Where the status is none of those
/// expected, the body is not waited for.
pub(super) async fn probe(probing: Probing<'_>, check: &HttpCheck) -> Verdict {
    let target = probing.target(check.port);
    let request = request(target, check)?;
    let stream = probing.connect(target).await?;
    let Some(settings) = &check.tls else {
        let exchange = exchange(stream, request, check).await;
        return exchange
            .map(Pass::new)
            .map_err(|failure| with_fix(failure, target, check));
    };
    // The state of TLS is large, and a plain probe need not make room for it.
    Box::pin(async {
        let handshake = probing.tls.handshake(stream, settings, Application::Any);
        let (stream, certificate_expiry) = handshake.await?;
        let detail = exchange(stream, request, check).await;
        let detail = detail.map_err(|failure| with_fix(failure, target, check))?;
        Ok(Pass {
            certificate_expiry,
            ..Pass::new(detail)
        })
    })
    .await
}

/// An answer that is not as expected is looked at by hand, and mended in the
/// server or in the check.
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
    failure.fixed_there(format!(
        "see in the server's log why it answers so (`{}` asks as the check does); if the answer is \
         right, correct the check's `{key}`",
        curl(target, check)
    ))
}

fn request(target: SocketAddr, check: &HttpCheck) -> Result<Request<Full<Bytes>>, Failure> {
    let (scheme, usual_port) = match check.tls {
        None => ("http", 80),
        Some(_) => ("https", 443),
    };
    let url = Url::parse(&format!("{scheme}://{target}{}", check.path));
    let url = url.map_err(|error| Failure::internal(format!("no URL: {error}")))?;
    let host = match &check.host {
        Some(host) => host.clone(),
        None if target.port() == usual_port => url.host_str().unwrap_or_default().to_owned(),
        None => target.to_string(),
    };
    let body = check.body.clone().unwrap_or_default();
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
        let value = HeaderValue::from_str(value).map_err(invalid)?;
        headers.insert(name, value);
    }
    Ok(request)
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    check: &HttpCheck,
) -> Result<String, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    drive(connection, async move {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        if !check.expected_status.contains(status) {
            let detail = format!("HTTP {status}, expected {}", check.expected_status);
            return Err(Failure::new(ProbeResult::Status, detail));
        }
        let mut body = response.into_body();
        let (mut read, mut kept) = (0, Vec::new());
        while read < BODY_LIMIT
            && let Some(frame) = body.frame().await
        {
            let frame = frame?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            if check.expected_body.is_some() {
                let room = (BODY_LIMIT - read).min(data.len());
                kept.extend_from_slice(data.get(..room).unwrap_or_default());
            }
            read += data.len();
        }
        match &check.expected_body {
            Some(pattern) if pattern.end_in(&kept).is_none() => {
                let detail = format!("HTTP {status}, without {pattern} in its body");
                Err(Failure::new(ProbeResult::Body, detail))
            }
            _ => Ok(format!("HTTP {status}")),
        }
    })
    .await
}

/// Carries an exchange out over its connection. What becomes of the
/// connection is told by the exchange, which fails with it.
pub(super) async fn drive<T>(
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
