//! What a DNS answer comes to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::config::{DnsCheck, RCODES};
use crate::model::ProbeResult;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::runtime::printable::printable;

/// How many of the records that were found are shown, and how much of each.
const SHOWN: usize = 4;
const LONGEST: usize = 60;

/// Judges an answer to this question.
pub(super) fn judge(answer: &Message, query: &Query, check: &DnsCheck) -> ExchangeResult {
    let record_type = query.query_type();
    let code = u16::from(answer.metadata.response_code);
    let accepted = match check.rcodes.as_slice() {
        [] => &[0],
        rcodes => rcodes,
    };
    if !accepted.contains(&code) {
        let names: Vec<_> = accepted.iter().map(|code| name(*code)).collect();
        let detail = format!("{}, expected {}", name(code), names.join(" or "));
        return Err(Failure::new(ProbeResult::Status, detail));
    }
    let owners = owners(answer, query);
    let found: Vec<&RData> = answer
        .answers
        .iter()
        .filter(|record| record.record_type() == record_type)
        .filter(|record| record.dns_class == query.query_class())
        .filter(|record| owners.contains(&record.name))
        .map(|record| &record.data)
        .collect();
    if code != 0 || (found.is_empty() && !check.rcodes.is_empty() && check.answers.is_empty()) {
        return Ok(Pass::new(name(code)));
    }
    let mut missing = check.answers.iter();
    let missing = missing.find(|expected| !found.iter().any(|data| is(data, expected)));
    match (missing, found.is_empty()) {
        (None, false) => Ok(Pass::new(listed(record_type, &found))),
        (Some(missing), false) => {
            let (missing, found) = (cut(missing), listed(record_type, &found));
            let detail = format!("expected {missing}, found {found}");
            Err(Failure::new(ProbeResult::Body, detail))
        }
        (_, true) => {
            let detail = format!("no {record_type} record{}", others(answer, query));
            Err(Failure::new(ProbeResult::Body, detail))
        }
    }
}

/// The name of a response code, as the registry of the IANA has it.
fn name(code: u16) -> String {
    let name = RCODES.get(usize::from(code));
    name.map_or_else(
        || format!("response code {code}"),
        |name| (*name).to_owned(),
    )
}

/// `2 A records: 192.0.2.1, 192.0.2.2`, in an order that stays.
fn listed(record_type: RecordType, found: &[&RData]) -> String {
    let mut shown: Vec<_> = found.iter().map(|data| cut(&text(data))).collect();
    shown.sort();
    if shown.len() > SHOWN {
        shown.truncate(SHOWN);
        shown.push("...".to_owned());
    }
    let (number, noun) = counted(found.len());
    format!("{number} {record_type} {noun}: {}", shown.join(", "))
}

/// The name that was asked for, and those that its aliases lead to.
fn owners<'a>(answer: &'a Message, query: &'a Query) -> BTreeSet<&'a Name> {
    let aliases: BTreeMap<&Name, &Name> = answer
        .answers
        .iter()
        .filter(|record| record.dns_class == query.query_class())
        .filter_map(alias)
        .collect();
    // A name has one alias (RFC 2181, section 10.1), which may stand anywhere.
    let mut owners = BTreeSet::new();
    let mut next = Some(query.name());
    while let Some(name) = next
        && owners.insert(name)
    {
        next = aliases.get(name).copied();
    }
    owners
}

fn alias(record: &Record) -> Option<(&Name, &Name)> {
    if let RData::CNAME(canonical) = &record.data {
        Some((&record.name, &canonical.0))
    } else {
        None
    }
}

/// What came instead.
fn others(answer: &Message, query: &Query) -> String {
    let Some(first) = answer.answers.first() else {
        return String::new();
    };
    let other = first.record_type();
    let same = answer.answers.iter();
    let same = same.filter(|record| record.record_type() == other).count();
    let (number, noun) = counted(same);
    if other == query.query_type() {
        let (class, owner) = (first.dns_class, cut(&first.name.to_string()));
        return format!(", but {number} {other} {noun} of another name or class ({owner} {class})");
    }
    format!(", but {number} {other} {noun}")
}

fn counted(number: usize) -> (usize, &'static str) {
    (number, if number == 1 { "record" } else { "records" })
}

/// From the network, or from the configuration: printable, and not too long.
fn cut(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST).collect();
    let mut shown = printable(&cut);
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

/// What a record says. The strings of a TXT record are one text (RFC 7208,
/// section 3.3; RFC 6763, section 6 aside, which has no answer to compare).
fn text(data: &RData) -> String {
    if let RData::TXT(strings) = data {
        String::from_utf8_lossy(&strings.txt_data.concat()).into_owned()
    } else {
        data.to_string()
    }
}

/// Whether a record says what is expected: addresses compare as addresses,
/// texts as they are, and names without regard to case and a dot at the end.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others are compared as names are"
)]
fn is(data: &RData, expected: &str) -> bool {
    match data {
        RData::A(address) => expected.parse() == Ok(IpAddr::V4(address.0)),
        RData::AAAA(address) => expected.parse() == Ok(IpAddr::V6(address.0)),
        RData::TXT(_) => text(data) == unquoted(expected),
        data => plain(&data.to_string()) == plain(expected),
    }
}

/// The text of one or several strings in quotes, as in a zone file; what does
/// not begin with a quote is one as it is.
fn unquoted(text: &str) -> String {
    if !text.starts_with('"') {
        return text.to_owned();
    }
    let (mut joined, mut inside) = (String::new(), false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => inside = !inside,
            '\\' => joined.extend(characters.next()),
            character if inside => joined.push(character),
            _ => {}
        }
    }
    joined
}

fn plain(data: &str) -> String {
    let words = data.split_whitespace().map(|word| {
        let word = word.trim_matches('"');
        word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join(" ")
}
