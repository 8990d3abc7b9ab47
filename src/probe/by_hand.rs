//! The command with which a person makes the request of a check.

use std::net::SocketAddr;

use crate::config::HttpCheck;

/// The request by curl(1), without the check's headers, body and query, which
/// may hold secrets: `?...` stands for the query.
pub(super) fn curl(target: SocketAddr, check: &HttpCheck) -> String {
    let mut command = "curl -si".to_owned();
    let host = check.host.as_deref();
    if check.method != "GET" {
        command.push_str(" -X ");
        command.push_str(&quoted(&check.method));
    }
    let scheme = if let Some(tls) = &check.tls {
        if !tls.verify || tls.ca.is_some() {
            command.push_str(" -k");
        }
        "https"
    } else {
        "http"
    };
    if let Some(host) = host {
        command.push_str(" -H ");
        command.push_str(&quoted(&format!("Host: {host}")));
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
        Some((path, _query)) => format!("{path}?..."),
        None => check.path.clone(),
    };
    let url = quoted(&format!("{scheme}://{authority}{path}"));
    format!("{command} {url}")
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
