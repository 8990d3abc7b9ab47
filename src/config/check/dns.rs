//! The check `dns`: its settings, and the reading of its mapping.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

use super::super::declaration::{DNS, DNS_NAME, RECORD_TYPE};
use super::super::fields::Fields;
use super::super::node::{Content, Entry};
use super::super::problem::{Parsed, Problems, quoted};
use super::super::scalar::{Value, found, list};

/// A check by a question to a DNS server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsCheck {
    /// The port on the real server.
    pub port: u16,
    /// The name that is asked for.
    pub name: String,
    /// The type of record that is asked for, like `A`.
    pub record_type: String,
    /// Each must be among the answers, written as in a zone file; if there is
    /// none, any answer of the type will do.
    pub answers: Vec<String>,
    /// The response codes that pass; if there is none, NOERROR with a record
    /// of the type. With some, no record is needed.
    pub rcodes: Vec<u16>,
}

/// The response codes that an answer without EDNS can have, by their numbers
/// (RFC 1035, section 4.1.1; RFC 2136, section 2.2).
pub(crate) const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE",
];

pub(super) fn dns(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<DnsCheck> {
    let fields = Fields::section(Some(entry), &DNS, problems)?;
    let port = fields.integer("port", problems);
    let name = fields.value("name", problems).and_then(|value| {
        let text = value.text(DNS_NAME, |_| true, problems)?;
        Name::from_utf8(text).map_err(|_| {
            let hint = match text.parse::<IpAddr>() {
                Ok(ip) => format!("the name of its PTR record is `{}`", Name::from(ip)),
                Err(_) => DNS_NAME.hint.to_owned(),
            };
            value.wrong(DNS_NAME.wanted, hint, problems)
        })?;
        Ok(text.to_owned())
    });
    let record_type = fields
        .value("type", problems)
        .and_then(|value| value.record_type(problems));
    let answers = fields.maybe("answers", |value| value.answers(record_type, problems));
    let answers = answers.map(Option::unwrap_or_default);
    let rcodes = fields.maybe("rcode", |value| value.rcodes(problems));
    let rcodes = rcodes.map(Option::unwrap_or_default);
    if let (Ok(name), Ok(record_type)) = (&name, &record_type)
        && let Ok(address) = name.parse::<IpAddr>()
        && let Some(entry) = fields.optional("name")?
    {
        let hint = if *record_type == RecordType::PTR {
            format!("write `name: {}`", Name::from(address))
        } else {
            "write the name that the server is to be asked for, like `name: example.com`".to_owned()
        };
        let message = format!("{} is an address, and no name of the DNS", quoted(name));
        problems.warn(entry.value.location, message, hint);
    }
    if let (Ok(answers), Ok(rcodes)) = (&answers, &rcodes)
        && !answers.is_empty()
        && !rcodes.is_empty()
        && !rcodes.contains(&0)
        && let Some(entry) = fields.optional("answers")?
    {
        return Err(problems.add(
            entry.key.location,
            "`answers` can never come: `rcode` expects an answer without records",
            "remove `answers`, or add `NOERROR` to `rcode`",
        ));
    }
    Ok(DnsCheck {
        port: port?,
        name: name?,
        record_type: record_type?.to_string(),
        answers: answers?,
        rcodes: rcodes?,
    })
}

impl Value<'_> {
    /// A type of which an answer can have records.
    fn record_type(self, problems: &mut Problems) -> Parsed<RecordType> {
        let known = |text: &str| text.to_ascii_uppercase().parse::<RecordType>().ok();
        let record_type = self.read(RECORD_TYPE, known, problems)?;
        let why = match record_type {
            RecordType::ANY => "asks for every type, and no record is of the type ANY",
            RecordType::AXFR | RecordType::IXFR => {
                "asks for a transfer of the zone, which needs more than a question"
            }
            RecordType::OPT | RecordType::TSIG | RecordType::SIG => {
                "is about the message itself, and never an answer"
            }
            RecordType::ANAME | RecordType::ZERO | RecordType::NULL => {
                "is no type that servers answer with"
            }
            _ => return Ok(record_type),
        };
        let message = format!("the check could never pass: `type: {record_type}` {why}");
        let hint = "write the type of a record that the name has, like `type: SOA`";
        Err(problems.add(self.node.location, message, hint))
    }

    /// What must come, each as a record of this type can say it.
    fn answers(
        self,
        record_type: Parsed<RecordType>,
        problems: &mut Problems,
    ) -> Parsed<Vec<String>> {
        let answers = self.texts(problems)?;
        let impossible = |wanted: &str, valid: fn(&str) -> bool, problems: &mut Problems| {
            let wrong = answers.iter().find(|answer| !valid(answer));
            wrong.map(|wrong| {
                let message = format!(
                    "the check could never pass: {} is no {wanted}, as each record of the type has",
                    quoted(wrong)
                );
                let hint = "correct it, or write another `type`";
                problems.add(self.node.location, message, hint)
            })
        };
        let reported = match record_type? {
            RecordType::A => {
                let valid = |text: &str| text.parse::<Ipv4Addr>().is_ok();
                impossible("IPv4 address", valid, problems)
            }
            RecordType::AAAA => {
                let valid = |text: &str| text.parse::<Ipv6Addr>().is_ok();
                impossible("IPv6 address", valid, problems)
            }
            RecordType::CNAME | RecordType::NS | RecordType::PTR => {
                let valid = |text: &str| !text.is_empty() && Name::from_utf8(text).is_ok();
                impossible("name", valid, problems)
            }
            _ => None,
        };
        reported.map_or(Ok(answers), Err)
    }

    /// A response code, or a list of them.
    fn rcodes(self, problems: &mut Problems) -> Parsed<Vec<u16>> {
        let nodes = if let Content::Sequence(nodes) = self.node.content() {
            nodes.as_slice()
        } else {
            std::slice::from_ref(self.node)
        };
        let hint = format!("known response codes: {}", list(&RCODES, "and"));
        if nodes.is_empty() {
            let message = "the list `rcode` is empty, so no answer could pass";
            return Err(problems.add(self.node.location, message, hint));
        }
        let code = |text: &str| {
            let code = RCODES
                .iter()
                .position(|name| name.eq_ignore_ascii_case(text))?;
            u16::try_from(code).ok()
        };
        let mut rcodes = Ok(Vec::new());
        for node in nodes {
            let text = if let Content::Text(text) = node.content() {
                code(text)
            } else {
                None
            };
            if let (Some(code), Ok(rcodes)) = (text, &mut rcodes) {
                rcodes.push(code);
            } else if text.is_none() {
                let message = format!("{} is no response code of the DNS", found(node));
                rcodes = Err(problems.add(node.location, message, &*hint));
            }
        }
        rcodes
    }
}
