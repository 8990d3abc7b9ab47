//! The checks `http` and `https`: one request, and what its answer comes to.

mod by_hand;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use hyper::header::HeaderName;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use self::by_hand::curl;
use crate::config::{HttpCheck, Secret};
use crate::model::{CertificateExpiry, ProbeResult};
use crate::net::tls::Application;
use crate::probe::body;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::probe::http1::Exchange;
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;

/// Room for a request without headers of its own.
const USUAL_REQUEST: usize = 192;

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
/// The head of a response is bounded: 256 header lines, and as many bytes as
/// [`Activity::Head`] may take, those of interim responses (1xx) included.
///
/// What is read of the body, [`body::judge`] says. Where the status is none of
/// those expected, the body is not waited for.
pub(in crate::probe) async fn probe(probing: &Probing<'_>, check: &HttpCheck) -> ExchangeResult {
    let target = probing.target(check.port);
    let request = request(target, check)?;
    let stream = probing.connect_to_send(target).await?;
    let asked_head = check.method == "HEAD";
    let Some(settings) = &check.tls else {
        let mut exchange = Exchange::new(stream, request, asked_head);
        let judged = judge(probing, &mut exchange, check).await;
        return judged
            .map(Pass::new)
            .map_err(|failure| with_fix(exchange.explain(failure), target, check));
    };
    // The state of TLS is large, and a plain probe need not make room for it.
    Box::pin(async {
        let handshake =
            probing
                .tls
                .handshake(stream, settings, Application::Any, probing.own_deadline());
        let (stream, end) = handshake.await?;
        let mut exchange = Exchange::new(stream, request, asked_head).over_tls();
        let judged = judge(probing, &mut exchange, check).await;
        exchange.say_end().await;
        let detail =
            judged.map_err(|failure| with_fix(exchange.explain(failure), target, check))?;
        Ok(Pass {
            certificate_expiry: end.map(|at| CertificateExpiry {
                at,
                port: target.port(),
            }),
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

/// The bytes of the request.
pub(in crate::probe) fn request(target: SocketAddr, check: &HttpCheck) -> Result<Vec<u8>, Failure> {
    let path = request_target(&check.path)?;
    let mut request = String::with_capacity(USUAL_REQUEST);
    for part in [&*check.method, " ", &path, " HTTP/1.1\r\n"] {
        request.push_str(part);
    }
    add_header(&mut request, "host", &host(target, check))?;
    add_header(&mut request, "connection", "close")?;
    let agent = concat!("lvs-agent/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [("accept", "*/*"), ("user-agent", agent)] {
        if !has_header(&check.headers, name) {
            add_header(&mut request, name, value)?;
        }
    }
    for (index, (name, value)) in (1..).zip(&check.headers) {
        // Of two headers with one name, the last one is sent.
        if !has_header(check.headers.get(index..).unwrap_or_default(), name) {
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(Failure::internal(format!("no header: {name}")));
            }
            let value = known(value, &format!("the header {name}"))?;
            add_header(&mut request, &name.to_ascii_lowercase(), value)?;
        }
    }
    let body = match &check.body {
        Some(body) => known(body, "the body")?,
        None => "",
    };
    if !body.is_empty() {
        add_header(&mut request, "content-length", &body.len().to_string())?;
    }
    request.push_str("\r\n");
    request.push_str(body);
    Ok(request.into_bytes())
}

/// The path and the query as they are sent.
fn request_target(path: &str) -> Result<Cow<'_, str>, Failure> {
    // Most paths have nothing to normalise, and the rules of URLs take longer than the rest.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~?=&".contains(&byte);
    if path.starts_with('/') && path.bytes().all(is_plain) && !path.contains("/.") {
        return Ok(Cow::Borrowed(path));
    }
    // Nothing of it depends on the host.
    let url = Url::parse(&format!("http://host{path}"));
    let url = url.map_err(|error| Failure::internal(format!("no URL: {error}")))?;
    let target = &url[Position::BeforePath..Position::AfterQuery];
    Ok(Cow::Owned(target.to_owned()))
}

fn has_header(headers: &[(String, Secret)], name: &str) -> bool {
    let mut names = headers.iter().map(|(name, _)| name);
    names.any(|other| other.eq_ignore_ascii_case(name))
}

fn add_header(request: &mut String, name: &str, value: &str) -> Result<(), Failure> {
    let is_text = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    if !value.bytes().all(is_text) {
        return Err(Failure::internal(format!("no value of the header {name}")));
    }
    for part in [name, ": ", value, "\r\n"] {
        request.push_str(part);
    }
    Ok(())
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
fn host(target: SocketAddr, check: &HttpCheck) -> String {
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

pub(in crate::probe) async fn judge<S>(
    probing: &Probing<'_>,
    exchange: &mut Exchange<S>,
    check: &HttpCheck,
) -> Result<String, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    probing.begin(Activity::Head);
    let status = exchange.status().await?;
    if !check.expected_status.contains(status) {
        let detail = format!("HTTP {status}, expected {}", check.expected_status);
        return Err(Failure::new(ProbeResult::Status, detail));
    }
    probing.begin(Activity::Body);
    let expected = check.expected_body.as_ref();
    body::judge(
        status,
        exchange,
        expected,
        probing.deadline,
        probing.timeout,
    )
    .await
}

#[cfg(test)]
mod tests;
