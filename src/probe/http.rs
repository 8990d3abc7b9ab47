use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONNECTION, HOST};
use reqwest::{Client, Url};
use rustix::io::Errno;

use super::{Outcome, ProbeResult};
use crate::clock;
use crate::config::HttpCheck;

/// How much of a body is read before the status alone decides: enough to see
/// that a page is being served, and no more however large it is.
const BODY_LIMIT: usize = 64 * 1024;

/// Makes HTTP/1.1 probes. One of these serves all probes.
///
/// Every probe has a connection of its own, goes to its target past any proxy
/// of the environment, follows no redirect, keeps no cookie and is made once:
/// a second try would hide the failure that it is there to find.
///
/// The head of a response is bounded by hyper: 100 headers and a read buffer
/// of 417,792 bytes (`DEFAULT_MAX_HEADERS` in `proto/h1/role.rs` and
/// `DEFAULT_MAX_BUFFER_SIZE` in `proto/h1/io.rs` of hyper 1.12).
#[derive(Debug)]
pub(crate) struct HttpProber {
    client: Client,
}

impl HttpProber {
    /// Fails only where the client itself cannot be set up.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("lvs-agent/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client })
    }

    /// Asks `target` once, and is done within `timeout` whatever comes.
    ///
    /// The path is sent as the URL standard normalises it (WHATWG, by the
    /// `url` crate): `.` and `..` segments are resolved, `\` becomes `/`,
    /// anything from `#` on is dropped, and what may not stand in a URL, such
    /// as a space, is percent-encoded. Percent-encoding that is there already stays.
    ///
    /// The body is read up to 64 KiB; then, or at its end, the status decides.
    /// Where the status is none of those expected, the body is not waited for.
    pub(crate) async fn probe(
        &self,
        target: SocketAddr,
        check: &HttpCheck,
        timeout: Duration,
    ) -> Outcome {
        let started = clock::monotonic();
        let exchange = self.exchange(target, check);
        let (result, detail) = match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => classify(&error),
            Err(_) => {
                let timeout = humantime::format_duration(timeout);
                let detail = format!("no complete answer within {timeout}");
                (ProbeResult::Timeout, detail)
            }
        };
        Outcome {
            result,
            detail,
            duration: clock::monotonic().saturating_duration_since(started),
            advice: None,
            certificate_expiry: None,
        }
    }

    async fn exchange(
        &self,
        target: SocketAddr,
        check: &HttpCheck,
    ) -> Result<(ProbeResult, String), reqwest::Error> {
        let url = match Url::parse(&format!("http://{target}{}", check.path)) {
            Ok(url) => url,
            Err(error) => return Ok((ProbeResult::Internal, format!("no URL: {error}"))),
        };
        let mut request = self.client.get(url).header(CONNECTION, "close");
        if let Some(host) = &check.host {
            request = request.header(HOST, host);
        }
        let mut response = request.send().await?;

        let status = response.status().as_u16();
        if !check.expected_status.contains(status) {
            let detail = format!("HTTP {status}, expected {}", check.expected_status);
            return Ok((ProbeResult::Status, detail));
        }
        let mut read = 0;
        while read < BODY_LIMIT
            && let Some(chunk) = response.chunk().await?
        {
            read += chunk.len();
        }
        Ok((ProbeResult::Ok, format!("HTTP {status}")))
    }
}

/// The class of a failed exchange, from the first error in the chain that
/// knows it.
fn classify(error: &reqwest::Error) -> (ProbeResult, String) {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        let class = if let Some(error) = error.downcast_ref::<io::Error>() {
            Some(classify_io(error))
        } else {
            error.downcast_ref::<hyper::Error>().and_then(classify_http)
        };
        if let Some(class) = class {
            return class;
        }
        source = error.source();
    }
    if error.is_builder() {
        return (ProbeResult::Internal, format!("no request: {error}"));
    }
    (ProbeResult::Protocol, "not a valid HTTP answer".to_owned())
}

/// `None` where the error only wraps one of the connection's.
fn classify_http(error: &hyper::Error) -> Option<(ProbeResult, String)> {
    let detail = if error.is_parse_too_large() {
        "the head of the answer is too large"
    } else if error.is_parse() {
        "not an HTTP answer"
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "closed without an answer"
    } else {
        return None;
    };
    Some((ProbeResult::Protocol, detail.to_owned()))
}

fn classify_io(error: &io::Error) -> (ProbeResult, String) {
    let Some(errno) = Errno::from_io_error(error) else {
        // No error of the kernel's: hyper's decoder of bodies speaks so.
        let detail = if error.kind() == io::ErrorKind::UnexpectedEof {
            "the answer was cut short"
        } else {
            "the body is not valid HTTP"
        };
        return (ProbeResult::Protocol, detail.to_owned());
    };
    let (result, detail) = match errno {
        Errno::CONNREFUSED => (ProbeResult::Refused, "connection refused"),
        Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE => {
            (ProbeResult::Reset, "connection reset")
        }
        Errno::TIMEDOUT => (ProbeResult::Timeout, "connection timed out"),
        Errno::NETUNREACH | Errno::NETDOWN => (ProbeResult::Unreachable, "network unreachable"),
        // What ICMP's other kinds of "destination unreachable" become
        // (`icmp_err_convert` in `net/ipv4/icmp.c`).
        Errno::HOSTUNREACH | Errno::HOSTDOWN | Errno::NONET | Errno::NOPROTOOPT => {
            (ProbeResult::Unreachable, "host unreachable")
        }
        Errno::MFILE | Errno::NFILE => (ProbeResult::Internal, "out of file descriptors"),
        Errno::NOBUFS | Errno::NOMEM => (ProbeResult::Internal, "out of memory"),
        Errno::ADDRNOTAVAIL => (ProbeResult::Internal, "out of local ports"),
        Errno::PERM | Errno::ACCESS => (
            ProbeResult::Internal,
            "this host's own firewall or routes forbid it",
        ),
        _ => return (ProbeResult::Internal, error.to_string()),
    };
    (result, detail.to_owned())
}

#[cfg(test)]
mod tests;
