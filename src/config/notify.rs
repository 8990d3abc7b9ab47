//! The list `notify`.

use std::collections::BTreeMap;

use url::Url;

use super::check::tls;
use super::declaration::{NOTIFY, WEBHOOK};
use super::fields::Fields;
use super::node::{Content, Entry, Node};
use super::problem::{Parsed, Problems, quoted, shown};
use super::scalar::{Value, found};
use super::secret::{Form, Secret};
use super::{Notify, NotifyTarget, TlsSettings, Webhook};

pub(super) fn notify(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<Vec<Notify>> {
    let Some(entry) = entry else {
        return Ok(Vec::new());
    };
    let hint = "list what is to be told, like `- exec: [/usr/local/bin/tell]` \
                or `- webhook: { url: http://192.168.11.5/lvs }`";
    let nodes = match entry.value.content() {
        Content::Sequence(nodes) => nodes.as_slice(),
        Content::Null => &[],
        Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::Mapping(_) => {
            return Err(Value::of(entry).wrong("a list", hint, problems));
        }
    };
    let read: Vec<_> = nodes.iter().map(|node| target(node, problems)).collect();
    read.into_iter().collect()
}

fn target(node: &Node, problems: &mut Problems) -> Parsed<Notify> {
    let fields = Fields::read(node, &NOTIFY, problems)?;
    let timeout = fields.duration("timeout", problems);
    let target = match (fields.optional("exec")?, fields.optional("webhook")?) {
        (Some(entry), None) => exec(Value::of(entry), problems),
        (None, Some(entry)) => webhook(entry, problems).map(NotifyTarget::Webhook),
        (Some(_), Some(webhook)) => Err(problems.add(
            webhook.key.location,
            "an entry of `notify` has either `exec` or `webhook`, and this one has both",
            "make two entries of it",
        )),
        (None, None) => Err(problems.add(
            fields.location,
            "an entry of `notify` has neither `exec` nor `webhook`",
            "add a line like `exec: [/usr/local/bin/tell]`",
        )),
    };
    Ok(Notify {
        target: target?,
        timeout: timeout?,
    })
}

fn exec(value: Value<'_>, problems: &mut Problems) -> Parsed<NotifyTarget> {
    let wanted = "a list of texts: a program and its arguments";
    let hint = "write it like `[/usr/local/bin/tell, --loud]`; there is no shell";
    let Content::Sequence(nodes) = value.node.content() else {
        return Err(value.wrong(wanted, hint, problems));
    };
    let mut words = Vec::new();
    let mut all = Ok(());
    for node in nodes {
        if let Some(text) = node.text().filter(|text| !text.contains('\0')) {
            words.push(text.to_owned());
        } else {
            let message = format!("{} is not a text", found(node));
            let hint = "put it in quotes to make it a text";
            all = Err(problems.add(node.location, message, hint));
        }
    }
    all?;
    let mut words = words.into_iter();
    match words.next() {
        Some(program) if program.starts_with('/') => Ok(NotifyTarget::Exec {
            program,
            arguments: words.collect(),
        }),
        Some(program) => {
            let location = nodes.first().map_or(value.node.location, |n| n.location);
            let message = format!("{} is not an absolute path", quoted(&program));
            let hint = "write the program's path from `/` on: no `PATH` is searched";
            Err(problems.add(location, message, hint))
        }
        None => Err(problems.add(value.node.location, "the list `exec` is empty", hint)),
    }
}

fn webhook(entry: &Entry, problems: &mut Problems) -> Parsed<Webhook> {
    let fields = Fields::read(&entry.value, &WEBHOOK, problems)?;
    let url = fields
        .value("url", problems)
        .and_then(|value| url(value, problems));
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
        tls,
    })
}

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
