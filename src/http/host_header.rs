//! Which names a request may ask by, so that a page of a foreign site that
//! points its name here (DNS rebinding) reads nothing.
//!
//! A browser takes such a page and this agent for one site, and sends neither
//! `Origin` nor `Sec-Fetch-Site: cross-site`: the name in `Host` alone tells.
//! People, directors and kubelets ask by address, by `localhost` or by the
//! name of the host. Prometheus and other machines may ask by an alias that the
//! agent cannot know; they have that for what only machines ask for, unless
//! the request shows that a browser made it.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::SharedState;

/// What machines ask for.
const FOR_MACHINES: [&str; 3] = ["/metrics", "/livez", "/readyz"];

/// Refuses a request by a name that is not this host's.
pub(super) async fn check(
    State(shown): State<SharedState>,
    request: Request,
    next: Next,
) -> Response {
    let own = shown.view().snapshot.process.host.clone();
    let machine = FOR_MACHINES.contains(&request.uri().path()) && !is_of_browser(request.headers());
    // hyper takes the authority of an absolute request target as the host, as RFC 9112 has it.
    let named = request.uri().authority().map(|a| a.as_str().to_owned());
    let named = named.or_else(|| {
        let host = request.headers().get(header::HOST)?;
        Some(String::from_utf8_lossy(host.as_bytes()).into_owned())
    });
    match named {
        Some(named) if !machine && !is_own(&named, &own) => {
            let text = "This agent is asked by an address or name of its host, not by another \
                        name: a page of a foreign site could point its own name here. By another \
                        name, machines read /metrics, /livez and /readyz.\n";
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
        Some(_) | None => next.run(request).await,
    }
}

/// Whether `Host` is an IP address, `localhost` or the host's own name, with or
/// without a domain; empty is what has no name.
fn is_own(named: &str, own: &str) -> bool {
    let (bracketed, plain) = (named.strip_prefix('['), named);
    if let Some((address, port)) = bracketed.and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.starts_with(':');
        return is_port && address.parse::<IpAddr>().is_ok();
    }
    if plain.contains('@') {
        return false;
    }
    let name = plain.rsplit_once(':').map_or(plain, |(name, _port)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    name.is_empty()
        || name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || first(name) == first(own)
}

/// Whether it has what browsers send and programs do not.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    let is_mozilla = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    let names = ["origin", "referer", "cookie", "sec-fetch-site"];
    is_mozilla || names.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests;
