//! The checks `http` and `https`: their settings, and the reading of their mappings.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};

use super::super::declaration::{self, EXPECT, HTTP, HTTPS, METHOD, REQUEST_TARGET};
use super::super::fields::Fields;
use super::super::node::{Content, Entry, Node};
use super::super::problem::{Parsed, Problems, quoted, shown};
use super::super::scalar::{Value, found};
use super::super::secret::{Form, Secret};
use super::super::unexpanded::sent;
use super::{ExpectedBody, StatusRanges, TlsSettings, tls};

/// A check by one HTTP/1.1 request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpCheck {
    /// For `https`.
    pub tls: Option<TlsSettings>,
    /// In upper case.
    pub method: String,
    /// The request target, from the leading `/` on.
    pub path: String,
    /// The `Host` header; `None` for the address that is probed (a fwmark
    /// service has no VIP to name).
    pub host: Option<String>,
    /// `host` is the VIP, as the file names none: the port that is asked is put
    /// after it where it is not the scheme's own (RFC 9110, section 7.2).
    pub host_is_vip: bool,
    /// The port on the real server; `None` for its own.
    pub port: Option<u16>,
    /// Further headers, in the file's order.
    pub headers: Vec<(String, Secret)>,
    /// The body that is sent.
    pub body: Option<Secret>,
    /// The status codes that pass.
    pub expected_status: StatusRanges,
    /// What the answer's body must have or must not have.
    pub expected_body: Option<ExpectedBody>,
}

/// The longest name in the DNS, as text (RFC 1035, section 2.3.4), and a port.
const LONGEST_HOST: usize = 253 + 6;

/// The check of a service whose configuration says none.
pub(super) fn default(vip: Option<SocketAddr>) -> HttpCheck {
    HttpCheck {
        tls: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: vip.map(host_of),
        host_is_vip: vip.is_some(),
        port: own_or(80, vip),
        headers: Vec::new(),
        body: None,
        expected_status: StatusRanges::success(),
        expected_body: None,
    }
}

pub(super) fn http(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<HttpCheck> {
    let fields = Fields::section(Some(entry), &HTTP, problems)?;
    request(&fields, vip, 80, |_, _, _| Ok(None), problems)
}

pub(super) fn https(
    entry: &Entry,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<HttpCheck> {
    let fields = Fields::section(Some(entry), &HTTPS, problems)?;
    let tls = |fields: &Fields<'_>, host: Option<&str>, problems: &mut Problems| {
        tls::settings(fields, host, problems).map(Some)
    };
    request(&fields, vip, 443, tls, problems)
}

/// `None` for the real server's own port, which a service by firewall mark (without a VIP)
/// or of every port does not give it.
fn own_or(default: u16, vip: Option<SocketAddr>) -> Option<u16> {
    vip.is_none_or(|vip| vip.port() == 0).then_some(default)
}

fn host_of(vip: SocketAddr) -> String {
    match vip.ip() {
        IpAddr::V4(vip) => vip.to_string(),
        IpAddr::V6(vip) => format!("[{vip}]"),
    }
}

fn request(
    fields: &Fields<'_>,
    vip: Option<SocketAddr>,
    port: u16,
    tls: impl FnOnce(&Fields<'_>, Option<&str>, &mut Problems) -> Parsed<Option<TlsSettings>>,
    problems: &mut Problems,
) -> Parsed<HttpCheck> {
    let path = fields
        .value("path", problems)
        .and_then(|value| value.target(problems));
    let host_is_vip = vip.is_some() && matches!(fields.optional("host"), Ok(None));
    let host = fields.maybe("host", |value| value.host(problems));
    let host = host.map(|host| host.or_else(|| vip.map(host_of)));
    let written = fields.maybe("port", |value| value.integer(problems));
    let port = written.map(|written| written.or_else(|| own_or(port, vip)));
    let method = fields
        .value("method", problems)
        .and_then(|value| value.method(problems));
    let headers = match fields.optional("headers") {
        Ok(Some(entry)) => headers(entry, problems),
        Ok(None) => Ok(Vec::new()),
        Err(reported) => Err(reported),
    };
    let body = fields.maybe("body", |value| {
        let form = Form {
            wanted: "a text",
            hint: "put it in quotes",
            fits: |_| true,
        };
        sent_secret(value, form, problems)
    });
    let expect = fields
        .optional("expect")
        .and_then(|entry| Fields::section(entry, &EXPECT, problems));
    let (expected_status, expected_body) = match expect {
        Ok(fields) => (
            fields
                .value("status", problems)
                .and_then(|value| value.statuses(problems)),
            fields.maybe("body", |value| value.expected_body(problems)),
        ),
        Err(reported) => (Err(reported), Err(reported)),
    };
    let expected_status = expected_status.and_then(|statuses| {
        // 101 ends an exchange that asked for another protocol (RFC 9110, section 15.2).
        let is_final = |status: &u16| *status >= 200 || *status == 101;
        if (100..=599)
            .filter(is_final)
            .any(|status| statuses.contains(status))
        {
            return Ok(statuses);
        }
        let location = fields
            .optional("expect")?
            .map_or(fields.location, |entry| entry.value.location);
        Err(problems.add(
            location,
            "no answer ends with a status of 100 to 199, so the check never passes",
            "write the statuses of good answers, such as `status: [200-299]`",
        ))
    });
    let expected_body = match (&method, &expected_status, expected_body) {
        (Ok(method), Ok(statuses), Ok(Some(pattern))) => {
            body_can_come(method, statuses, fields, problems).map(|()| Some(pattern))
        }
        (.., expected_body) => expected_body,
    };
    let tls = match &host {
        Ok(host) => tls(fields, host.as_deref(), problems),
        Err(reported) => tls(fields, None, problems).and(Err(*reported)),
    };
    Ok(HttpCheck {
        tls: tls?,
        method: method?,
        path: path?,
        host: host?,
        host_is_vip,
        port: port?,
        headers: headers?,
        body: body?,
        expected_status: expected_status?,
        expected_body: expected_body?,
    })
}

/// Some answers have no body (RFC 9110, sections 6.4.1 and 9.3.2), and a check could
/// never pass that expects something of it.
fn body_can_come(
    method: &str,
    statuses: &StatusRanges,
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Parsed<()> {
    let bodiless = |status: u16| status < 200 || [204, 304].contains(&status);
    let (why, hint) = if method == "HEAD" {
        (
            "an answer to `HEAD` has none",
            "remove `method: HEAD`, or the `body` that is expected",
        )
    } else if (100..=599)
        .filter(|status| statuses.contains(*status))
        .all(bodiless)
    {
        (
            "an answer with the status that is expected has none",
            "expect another status, or remove the `body` that is expected",
        )
    } else {
        return Ok(());
    };
    let location = fields
        .optional("expect")?
        .map_or(fields.location, |entry| entry.key.location);
    let message =
        format!("the check could never pass: it expects something of the body, and {why}");
    Err(problems.add(location, message, hint))
}

/// Header fields beside those that the agent sets itself.
fn headers(entry: &Entry, problems: &mut Problems) -> Parsed<Vec<(String, Secret)>> {
    let hint = "write it like `headers: { authorization: \"Bearer secret\" }`";
    let Content::Mapping(entries) = entry.value.content() else {
        return Err(Value::of(entry).wrong("a mapping of names to texts", hint, problems));
    };
    let mut headers = Vec::with_capacity(entries.len());
    let mut all = Ok(());
    for entry in entries {
        let name = &entry.key.value;
        let valid = HeaderName::from_bytes(name.as_bytes());
        let own = [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING];
        let refused = match &valid {
            Ok(valid) if *valid == HOST => Some(("is set by `host`", "use the key `host`")),
            Ok(valid) if own.contains(valid) => {
                Some(("is set by the agent itself", "remove this line"))
            }
            Ok(_) => None,
            Err(_) => Some(("is no name of a header", "write letters, digits and `-`")),
        };
        if let Some((reason, hint)) = refused {
            let message = format!("{} {reason}", quoted(name));
            all = Err(problems.add(entry.key.location, message, hint));
            continue;
        }
        let shown = shown(name);
        let value = Value {
            name: &shown,
            node: &entry.value,
            key: None,
        };
        let form = Form {
            wanted: "a text on one line, in ASCII",
            hint: if value.node.text().is_some() {
                hint
            } else {
                "put it in quotes"
            },
            fits: |text| text.is_ascii() && HeaderValue::from_str(text).is_ok(),
        };
        match sent_secret(value, form, problems) {
            Ok(secret) => headers.push((name.to_string(), secret)),
            Err(reported) => all = Err(reported),
        }
    }
    all.map(|()| headers)
}

/// A secret; a text of the file is as it is sent.
fn sent_secret(value: Value<'_>, form: Form<'_>, problems: &mut Problems) -> Parsed<Secret> {
    let secret = value.secret(form, problems)?;
    if let Some(text) = value.node.text() {
        sent(text, value.node.location, problems);
    }
    Ok(secret)
}

impl Value<'_> {
    /// A request method (RFC 9110, section 9) but CONNECT and TRACE, which ask nothing of a page.
    fn method(self, problems: &mut Problems) -> Parsed<String> {
        let is_method = |text: &str| {
            let letters = text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            letters && (1..=20).contains(&text.len()) && !["CONNECT", "TRACE"].contains(&text)
        };
        self.text(METHOD, is_method, problems).map(str::to_owned)
    }

    /// A request target in origin form (RFC 9112, section 3.2.1).
    fn target(self, problems: &mut Problems) -> Parsed<String> {
        let is_target =
            |text: &str| text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic());
        let text = self.text(REQUEST_TARGET, is_target, problems)?;
        sent(text, self.node.location, problems);
        Ok(text.to_owned())
    }

    /// A `Host` header.
    fn host(self, problems: &mut Problems) -> Parsed<String> {
        let is_host = |text: &str| {
            let printable = text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
            printable && (1..=LONGEST_HOST).contains(&text.len())
        };
        let text = self.text(declaration::HOST, is_host, problems)?;
        sent(text, self.node.location, problems);
        Ok(text.to_owned())
    }

    /// A list of status codes and ranges of them, or a single one.
    fn statuses(self, problems: &mut Problems) -> Parsed<StatusRanges> {
        let hint = "write a list like `[200-299, 304]`";
        let single = |node: &Node| matches!(node.content(), Content::Number(_) | Content::Text(_));
        let Some(nodes) = self.node.one_or_many(single) else {
            return Err(self.wrong("a list of HTTP status codes", hint, problems));
        };
        let mut ranges = Vec::new();
        let mut all = Ok(());
        for node in nodes {
            if let Some(range) = status_range(node) {
                ranges.push(range);
                continue;
            }
            let message = format!(
                "{} is not an HTTP status code from 100 to 599, nor a range of them",
                found(node)
            );
            let hint = "write a code like `304` or a range like `200-299`, the lower first";
            all = Err(problems.add(node.location, message, hint));
        }
        all?;
        StatusRanges::new(ranges).ok_or_else(|| {
            problems.add(
                self.node.location,
                format!(
                    "the list {} is empty, so no answer could pass",
                    quoted(self.name)
                ),
                hint,
            )
        })
    }
}

/// A code, or two with a `-` between; `None` for anything else.
fn status_range(node: &Node) -> Option<RangeInclusive<u16>> {
    let code = |text: &str| text.trim().parse::<u16>().ok();
    let range = match node.content() {
        Content::Number(_) => {
            let code = u16::try_from(node.integer()?).ok()?;
            code..=code
        }
        Content::Text(text) => match text.split_once('-') {
            Some((first, last)) => code(first)?..=code(last)?,
            None => code(text)?..=code(text)?,
        },
        _ => return None,
    };
    StatusRanges::new([range.clone()]).map(|_| range)
}
