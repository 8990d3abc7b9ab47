//! The mapping `webhook`.

use std::collections::BTreeMap;

use url::Url;

use super::super::check::tls;
use super::super::declaration::{URL, WEBHOOK};
use super::super::fields::Fields;
use super::super::node::{Content, Entry};
use super::super::problem::{Parsed, Problems, quoted, shown};
use super::super::scalar::Value;
use super::super::secret::{Form, Secret};
use super::super::{TlsSettings, Webhook};

pub(super) fn webhook(entry: &Entry, problems: &mut Problems) -> Parsed<Webhook> {
    let fields = Fields::read(&entry.value, &WEBHOOK, problems)?;
    let url = fields
        .value("url", problems)
        .and_then(|value| url(value, problems));
    let format = fields.choice("format", problems);
    let headers = fields.maybe("headers", |value| headers(value, problems));
    let trust = tls::trust(&fields, problems);
    let (url, scheme) = url?;
    let tls = match scheme {
        // Where the URL is not known, its keys may be for TLS.
        Some(Scheme::Https) | None => {
            let (ca, verify) = trust?;
            Some(TlsSettings {
                server_name: None,
                ca,
                client: None,
                verify,
            })
        }
        Some(Scheme::Http) => {
            for key in ["ca", "verify"] {
                if let Some(entry) = fields.optional(key)? {
                    return Err(problems.add(
                        entry.key.location,
                        format!("`{key}` is for TLS, and the `url` asks for none"),
                        "write the URL with `https://`, or remove this line",
                    ));
                }
            }
            None
        }
    };
    Ok(Webhook {
        url,
        headers: headers?.unwrap_or_default(),
        format: format?,
        tls,
    })
}

/// Another value of these would contradict the request that is sent (RFC 9112, section 6).
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

#[derive(Clone, Copy)]
enum Scheme {
    Http,
    Https,
}

/// The scheme is not known of a URL that is not on this host.
fn url(value: Value<'_>, problems: &mut Problems) -> Parsed<(Secret, Option<Scheme>)> {
    let form = Form {
        wanted: URL.wanted,
        hint: URL.hint,
        fits: |text| !matches!(scheme(text), Err(UrlIssue::Scheme)),
    };
    let url = value.secret(form, problems)?;
    let Some(text) = url.expose() else {
        return Ok((url, None));
    };
    let (message, hint) = match scheme(text) {
        Ok(scheme) => return Ok((url, Some(scheme))),
        // What is in its form has a scheme.
        Err(UrlIssue::Scheme) => (
            "the URL does not start with `https://` or `http://`".to_owned(),
            "write it like `https://hooks.example.com/lvs`",
        ),
        Err(UrlIssue::NoHost) => (
            "the URL has no host after `://`".to_owned(),
            "write the name or address of the receiver there, like \
             `https://hooks.example.com/lvs`",
        ),
        Err(UrlIssue::Port) => (
            "the port of the URL is not one of 1 to 65535".to_owned(),
            "write the port on which the receiver listens, or none for 443 (https) and 80 (http)",
        ),
        Err(UrlIssue::Other(error)) => (
            format!("the URL cannot be read: {error}"),
            "write it like `https://hooks.example.com/lvs`",
        ),
    };
    Err(problems.add(value.node.location, message, hint))
}

/// Why nothing could be posted to a URL.
enum UrlIssue {
    Scheme,
    NoHost,
    Port,
    Other(url::ParseError),
}

/// The parser takes `http:host` and `http:///host` for `http://host`, as browsers do; who
/// writes one of them means something else, or has left something out.
fn scheme(text: &str) -> Result<Scheme, UrlIssue> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlIssue::Scheme)?;
    let scheme = match &*scheme.to_ascii_lowercase() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(UrlIssue::Scheme),
    };
    if text.contains(char::is_control) {
        return Err(UrlIssue::Scheme);
    }
    if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#', ':']) {
        return Err(UrlIssue::NoHost);
    }
    match Url::parse(text) {
        Ok(url) if url.port() == Some(0) => Err(UrlIssue::Port),
        Ok(_) => Ok(scheme),
        Err(url::ParseError::EmptyHost) => Err(UrlIssue::NoHost),
        Err(url::ParseError::InvalidPort) => Err(UrlIssue::Port),
        Err(error) => Err(UrlIssue::Other(error)),
    }
}

fn headers(pairs: Value<'_>, problems: &mut Problems) -> Parsed<BTreeMap<String, Secret>> {
    let Content::Mapping(entries) = pairs.node.content() else {
        let hint = "write pairs like `Authorization: Bearer 12345`";
        return Err(pairs.wrong("a mapping", hint, problems));
    };
    let mut headers = BTreeMap::new();
    let mut all = Ok(());
    for entry in entries {
        let key = &entry.key;
        if !is_token(&key.value) {
            let message = format!("{} is not the name of a header", quoted(&key.value));
            let hint = "write a name such as `Authorization`";
            all = Err(problems.add(key.location, message, hint));
            continue;
        }
        if OWN_HEADERS.contains(&&*key.value.to_ascii_lowercase()) {
            let message = format!("{} is set by the agent itself", quoted(&key.value));
            all = Err(problems.add(key.location, message, "remove this line"));
            continue;
        }
        let form = Form {
            wanted: "a text of printable ASCII",
            hint: "write the header's value; put a number in quotes",
            fits: |text| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()),
        };
        let shown = shown(&key.value);
        let value = Value {
            name: &shown,
            node: &entry.value,
            key: None,
        };
        match value.secret(form, problems) {
            Ok(secret) => {
                let name = key.value.to_ascii_lowercase();
                if headers.insert(name, secret).is_some() {
                    let message = format!("the header {} is there twice", quoted(&key.value));
                    all = Err(problems.add(key.location, message, "keep one of the two"));
                }
            }
            Err(reported) => all = Err(reported),
        }
    }
    all.map(|()| headers)
}

/// A field name (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(tchar)
}
