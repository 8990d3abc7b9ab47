//! The mapping `webhook`.

use std::collections::BTreeMap;

use url::Url;

use super::super::check::tls;
use super::super::declaration::WEBHOOK;
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
        wanted: "a URL that starts with `https://` or `http://`",
        hint: "write it like `https://hooks.example.com/lvs`",
        fits: |text| !text.contains(char::is_control) && scheme(text).is_some(),
    };
    let url = value.secret(form, problems)?;
    let scheme = url.expose().and_then(scheme);
    Ok((url, scheme))
}

fn scheme(text: &str) -> Option<Scheme> {
    let url = Url::parse(text).ok().filter(Url::has_host)?;
    match url.scheme() {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => None,
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
