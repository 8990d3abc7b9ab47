//! The command with which a person makes the request of a check.

use std::net::SocketAddr;

use super::checks::http::host;
use crate::config::HttpCheck;
use crate::runtime::shell_word::quoted;

/// Parts of the names of headers, and words of a body, beside which a secret stands.
const SECRET: [&str; 10] = [
    "auth",
    "cookie",
    "key",
    "token",
    "secret",
    "passw",
    "pwd",
    "session",
    "credential",
    "signature",
];

/// A longer body is not shown.
const LONGEST_BODY: usize = 200;

/// What is shown in place of a secret.
const LEFT_OUT: &str = "...";

/// The request by curl(1), with `...` for what may be a secret, such as every
/// query, to be filled in.
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
        match value.as_str() {
            "" => header(&format!("{name};")),
            _ if may_be_secret(name) => header(&format!("{name}: {LEFT_OUT}")),
            value => header(&format!("{name}: {value}")),
        }
    }
    if let Some(body) = &check.body {
        let named = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        if !check.headers.iter().any(named) {
            // The check sends none, and curl one of a form.
            header("Content-Type:");
        }
        let shown =
            body.len() <= LONGEST_BODY && !body.contains(char::is_control) && !may_be_secret(body);
        command.push_str(" --data-raw ");
        command.push_str(&quoted(if shown { body } else { LEFT_OUT }));
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

fn may_be_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRET.iter().any(|secret| text.contains(secret))
}

#[cfg(test)]
mod tests;
