//! The mapping `check`.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fields::Fields;
use super::node::{Content, Entry, Node};
use super::problem::{Problems, Read, quoted};
use super::scalar::{Value, found};
use super::{Check, HttpCheck, StatusRanges};

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);
/// The most probes in a row that `rise` and `fall` can ask for.
const LONGEST_RUN: u16 = 1000;
const RISE: NonZeroU16 = NonZeroU16::MIN.saturating_add(1);
const FALL: NonZeroU16 = NonZeroU16::MIN.saturating_add(2);
/// The longest name in the DNS, as text (RFC 1035, section 2.3.4), and a port.
const LONGEST_HOST: usize = 253 + 6;

/// The check of a service with this VIP; without one (fwmark), the probed
/// address is the default host, which is not known here.
pub(super) fn check(
    entry: Option<&Entry>,
    vip: Option<IpAddr>,
    problems: &mut Problems,
) -> Read<Check> {
    let keys = ["http", "interval", "timeout", "rise", "fall"];
    let fields = Fields::section(entry, "a check", &keys, problems)?;
    let http = fields
        .optional("http")
        .and_then(|entry| http(entry, vip, problems));
    let interval = fields.or_default("interval", SECOND, |value| {
        value.duration(INTERVAL, problems)
    });
    let timeout = fields.or_default("timeout", SECOND, |value| value.duration(TIMEOUT, problems));
    let rise = fields.or_default("rise", RISE, |value| value.run(RISE, problems));
    let fall = fields.or_default("fall", FALL, |value| value.run(FALL, problems));
    Ok(Check {
        http: http?,
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
    })
}

fn http(entry: Option<&Entry>, vip: Option<IpAddr>, problems: &mut Problems) -> Read<HttpCheck> {
    let keys = ["path", "host", "port", "expect"];
    let fields = Fields::section(entry, "an HTTP check", &keys, problems)?;
    let path = fields.or_default("path", "/".to_owned(), |value| value.target(problems));
    let vip = vip.map(|vip| match vip {
        IpAddr::V4(vip) => vip.to_string(),
        IpAddr::V6(vip) => format!("[{vip}]"),
    });
    let host = fields.or_default("host", vip, |value| value.host(problems).map(Some));
    let port = fields.or_default("port", 80, |value| {
        value.integer(1..=u16::MAX, "80", problems)
    });
    let expected_status = fields
        .optional("expect")
        .and_then(|entry| Fields::section(entry, "`expect`", &["status"], problems))
        .and_then(|fields| {
            fields.or_default("status", StatusRanges::success(), |value| {
                value.statuses(problems)
            })
        });
    Ok(HttpCheck {
        path: path?,
        host: host?,
        port: port?,
        expected_status: expected_status?,
    })
}

impl Value<'_> {
    /// A number of probes in a row.
    fn run(self, default: NonZeroU16, problems: &mut Problems) -> Read<NonZeroU16> {
        let run = self.integer(1..=LONGEST_RUN, &default.to_string(), problems)?;
        Ok(NonZeroU16::new(run).unwrap_or(NonZeroU16::MIN))
    }

    /// A request target in origin form (RFC 9112, section 3.2.1).
    fn target(self, problems: &mut Problems) -> Read<String> {
        let wanted = "a path that starts with `/`, in ASCII without spaces";
        let hint = "write it like `/health`; a space is `%20`";
        let text = self.text(wanted, hint, problems)?;
        if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(text.to_owned())
        } else {
            Err(self.wrong(wanted, hint, problems))
        }
    }

    /// A `Host` header.
    fn host(self, problems: &mut Problems) -> Read<String> {
        let wanted = "a host name in ASCII without spaces";
        let hint = "write it like `www.example.com`, or remove the key: then it is the VIP";
        let text = self.text(wanted, hint, problems)?;
        let printable = text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        if printable && (1..=LONGEST_HOST).contains(&text.len()) {
            Ok(text.to_owned())
        } else {
            Err(self.wrong(wanted, hint, problems))
        }
    }

    /// A list of status codes and ranges of them, or a single one.
    fn statuses(self, problems: &mut Problems) -> Read<StatusRanges> {
        let hint = "write a list like `[200-299, 304]`";
        let nodes = match &self.node.content {
            Content::Sequence(nodes) => nodes.as_slice(),
            Content::Integer(_) | Content::Text(_) => std::slice::from_ref(self.node),
            Content::Null | Content::Bool(_) | Content::Float(_) | Content::Mapping(_) => {
                return Err(self.wrong("a list of HTTP status codes", hint, problems));
            }
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
    let range = match &node.content {
        Content::Integer(code) => {
            let code = u16::try_from(*code).ok()?;
            code..=code
        }
        Content::Text(text) => match text.split_once('-') {
            Some((first, last)) => code(first)?..=code(last)?,
            None => code(text)?..=code(text)?,
        },
        Content::Null
        | Content::Bool(_)
        | Content::Float(_)
        | Content::Sequence(_)
        | Content::Mapping(_) => return None,
    };
    StatusRanges::new([range.clone()]).map(|_| range)
}
