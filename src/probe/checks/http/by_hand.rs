//! The command with which a person makes the request of a check.

use std::net::SocketAddr;

use super::host;
use crate::config::{HttpCheck, Secret};
use crate::runtime::shell_word::quoted;

/// What is shown in place of a secret.
const LEFT_OUT: &str = "...";

/// The request by curl(1), with `...` for what may be a secret, to be filled in:
/// the values of headers, the body and the query.
pub(super) fn curl(target: SocketAddr, check: &HttpCheck) -> String {
    let mut command = "curl -si".to_owned();
    match &*check.method {
        // With `-X HEAD`, curl waits for a body.
        "HEAD" if check.body.is_none() => command.push_str(" -I"),
        "GET" if check.body.is_none() => {}
        method => {
            command.push_str(" -X ");
            command.push_str(&quoted(method));
        }
    }
    let scheme = if let Some(tls) = &check.tls {
        if !tls.verify || tls.ca.is_some() {
            command.push_str(" -k");
        }
        "https"
    } else {
        "http"
    };
    let mut header = |header: &str| {
        command.push_str(" -H ");
        command.push_str(&quoted(header));
    };
    if check.host.is_some() {
        header(&format!("Host: {}", host(target, check)));
    }
    for (name, value) in &check.headers {
        if value.expose() == Some("") {
            header(&format!("{name};"));
        } else {
            header(&format!("{name}: {LEFT_OUT}"));
        }
    }
    if check.body.is_some() {
        let named = |(name, _): &(String, Secret)| name.eq_ignore_ascii_case("content-type");
        if !check.headers.iter().any(named) {
            // The check sends none, and curl one of a form.
            header("Content-Type:");
        }
        command.push_str(" --data-raw ");
        command.push_str(LEFT_OUT);
    }
    let name = check
        .tls
        .as_ref()
        .and_then(|tls| tls.server_name.as_deref());
    let authority = match name {
        // The name is for TLS, the address for the connection.
        Some(name) => {
            command.push_str(" --connect-to ");
            command.push_str(&quoted(&format!("::{target}")));
            format!("{name}:{}", target.port())
        }
        None => target.to_string(),
    };
    let path = match check.path.split_once('?') {
        Some((path, _query)) => format!("{path}?{LEFT_OUT}"),
        None => check.path.clone(),
    };
    let url = quoted(&format!("{scheme}://{authority}{path}"));
    format!("{command} {url}")
}

#[cfg(test)]
mod tests;
