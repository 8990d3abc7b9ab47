//! `HTTP_GET` and `SSL_GET`.

use serde_yaml::{Mapping, Value};

use super::super::check::{Kind, pattern};
use super::super::note::Notes;
use super::blocks::Statement;
use super::settings::Settings;
use super::tls::ClientTls;

/// Options of PCRE, and the flag that they are in a regular expression of ours.
const OPTIONS: [(&str, char); 5] = [
    ("caseless", 'i'),
    ("multiline", 'm'),
    ("dotall", 's'),
    ("extended", 'x'),
    ("ungreedy", 'U'),
];

/// All URLs must pass; `tls` has the files of the client.
pub(super) fn kind(
    special: &[&Statement],
    tls: Option<&ClientTls>,
    settings: &Settings,
    port: Option<u16>,
    notes: &mut Notes,
) -> Option<Kind> {
    let mut parts = Vec::new();
    for inner in special {
        match inner.keyword() {
            "url" => parts.push(url(inner, tls, settings, port, notes)),
            "enable_sni" => {
                let text = "`enable_sni` is left out: a check over TLS here always names the \
                            host that it asks for, `server_name` or `host`, if that is no address";
                notes.once("enable_sni", inner.location, text);
            }
            "fast_recovery" => {
                let text = "`fast_recovery` is left out: a real server that is down is asked \
                            every `interval` here, and comes up after `rise` passes";
                notes.once("fast_recovery", inner.location, text);
            }
            "http_protocol" => {
                let text = "`http_protocol` is left out: checks here speak HTTP/1.1";
                notes.once("http_protocol", inner.location, text);
            }
            _ => inner.note_unsupported(notes),
        }
    }
    if parts.is_empty() {
        parts.push(request(tls, settings.virtualhost.as_deref(), port, "/"));
    }
    Kind::all(parts)
}

fn request(tls: Option<&ClientTls>, host: Option<&str>, port: Option<u16>, path: &str) -> Kind {
    let name = if tls.is_some() { "https" } else { "http" };
    let mut kind = Kind::new(name).at_port(port).with("path", path);
    if let Some(host) = host {
        kind = kind.with("host", host);
    }
    match tls {
        Some(tls) => tls.write(kind),
        None => kind,
    }
}

/// The regular expression of a URL.
#[derive(Default)]
struct Expression<'s> {
    text: Option<&'s Statement>,
    flags: String,
    is_unwanted: bool,
}

fn url(
    statement: &Statement,
    tls: Option<&ClientTls>,
    settings: &Settings,
    port: Option<u16>,
    notes: &mut Notes,
) -> Kind {
    let mut path = "/";
    let mut host = settings.virtualhost.as_deref();
    let mut expect = Mapping::new();
    let mut expression = Expression::default();
    for inner in statement.block() {
        match inner.keyword() {
            "path" => path = inner.argument(0),
            "virtualhost" => host = Some(inner.argument(0)),
            "status_code" => {
                let statuses = statuses(inner, notes);
                if !statuses.is_empty() {
                    expect.insert("status".into(), statuses.into());
                }
            }
            "digest" => {
                let text = "`digest` is left out, and the status alone decides: a check here \
                            compares a text, `expect: { body: … }`, and no digest";
                notes.add(inner.location, text);
            }
            "regex" => expression.text = Some(inner),
            "regex_no_match" => expression.is_unwanted = true,
            "regex_options" => expression.options(inner, notes),
            _ => inner.note_unsupported(notes),
        }
    }
    if host.is_none() {
        let text = "without `virtualhost` the `Host` header is the real server's address there, \
                    and the VIP here; write `host` if the server tells them apart";
        notes.once("host", statement.location, text);
    }
    if let Some(body) = expression.pattern(notes) {
        expect.insert("body".into(), body);
    }
    let kind = request(tls, host, port, path);
    if expect.is_empty() {
        kind
    } else {
        kind.with("expect", expect)
    }
}

/// Codes and ranges of them.
fn statuses(statement: &Statement, notes: &mut Notes) -> Vec<Value> {
    let code = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|code| (100..600).contains(code))
    };
    let mut statuses = Vec::new();
    for text in statement.arguments() {
        let status = match text.split_once('-') {
            None => code(text).map(Value::from),
            Some((first, last)) => code(first)
                .zip(code(last))
                .filter(|(first, last)| first <= last)
                .map(|(first, last)| format!("{first}-{last}").into()),
        };
        if status.is_none() {
            let text = format!(
                "the status `{text}` is left out: it is none from 100 to 599, and no range"
            );
            notes.add(statement.location, text);
        }
        statuses.extend(status);
    }
    statuses
}

impl Expression<'_> {
    fn options(&mut self, statement: &Statement, notes: &mut Notes) {
        for option in statement.arguments() {
            match OPTIONS.iter().find(|(name, _)| name == option) {
                Some((_, flag)) => self.flags.push(*flag),
                None => notes.note_unsupported(statement.location, "regex_options", option),
            }
        }
    }

    fn pattern(self, notes: &mut Notes) -> Option<Value> {
        let statement = self.text?;
        let text = statement.rest();
        let text = if self.flags.is_empty() {
            text
        } else {
            format!("(?{}){text}", self.flags)
        };
        let pattern = pattern(&text, statement.location, notes)?;
        if self.is_unwanted {
            return Some(Mapping::from_iter([("not".into(), pattern)]).into());
        }
        Some(pattern)
    }
}
