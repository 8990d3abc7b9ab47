//! Lines `real = ...`, and addresses and ports as ldirectord writes them.

use std::net::IpAddr;

use super::super::ExpansionBudget;
use super::super::draft::{RealServer, number};
use super::super::note::Notes;
use super::checks::SectionChecks;
use super::keys::{Section, Setting};
use crate::config::AddressRange;
use crate::model::{Forwarding, Tunnel};

/// Ports by the names that they have in /etc/services.
const PORTS: [(&str, u16); 24] = [
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("www", 80),
    ("pop3", 110),
    ("nntp", 119),
    ("imap", 143),
    ("imap2", 143),
    ("ldap", 389),
    ("https", 443),
    ("submission", 587),
    ("ldaps", 636),
    ("imaps", 993),
    ("pop3s", 995),
    ("radius", 1812),
    ("squid", 3128),
    ("mysql", 3306),
    ("ms-wbt-server", 3389),
    ("postgresql", 5432),
    ("sip", 5060),
    ("http-alt", 8080),
];

/// An address, an IPv6 one in brackets.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    text.trim_matches(['[', ']']).parse().ok()
}

/// The number of a port, or its name.
pub(super) fn port(text: &str) -> Option<u16> {
    let named = PORTS.iter().find(|(name, _)| *name == text);
    named.map(|(_, port)| *port).or_else(|| text.parse().ok())
}

pub(super) fn forwarding(word: &str) -> Option<Forwarding> {
    match word {
        "gate" => Some(Forwarding::Direct),
        "masq" => Some(Forwarding::Masquerade),
        "ipip" => Some(Forwarding::Tunnel(Tunnel::Ipip)),
        _ => None,
    }
}

/// The real servers of a section.
pub(super) fn real_servers(
    section: &Section,
    checked: &SectionChecks<'_>,
    budget: &mut ExpansionBudget,
    notes: &mut Notes,
) -> Vec<RealServer> {
    let mut servers = Vec::new();
    let lines = section.settings.iter();
    for setting in lines.filter(|setting| ["real", "real6"].contains(&setting.key.as_str())) {
        let Some(line) = Line::read(setting, notes) else {
            let text = format!(
                "`{} = {}` is left out: write an IP address or a range of them, the number of \
                 a port, `gate`, `masq` or `ipip`, and a weight; names are not looked up",
                setting.key, setting.value
            );
            notes.add(setting.location, text);
            continue;
        };
        let (first, last) = line.ends;
        let Some(range) = AddressRange::new(first, last) else {
            let text = format!("`{}` is left out: the range runs backwards", setting.value);
            notes.add(setting.location, text);
            continue;
        };
        if !budget.take(range.count(), setting.location, notes) {
            continue;
        }
        for address in range.addresses() {
            let asked = line
                .asked
                .as_ref()
                .map(|(request, receive)| (&**request, &**receive));
            let check = checked.check(line.port, asked, setting.location, notes);
            servers.push(RealServer {
                location: setting.location,
                address,
                port: line.port,
                forwarding: line.forwarding,
                weight: if checked.serves() { line.weight } else { 0 },
                upper_threshold: line.upper_threshold,
                lower_threshold: line.lower_threshold,
                check,
            });
        }
    }
    servers
}

/// A line as it is written.
struct Line {
    ends: (IpAddr, IpAddr),
    port: Option<u16>,
    forwarding: Forwarding,
    weight: u32,
    /// A request and what must come, in place of the section's.
    asked: Option<(String, String)>,
    upper_threshold: u32,
    lower_threshold: u32,
}

impl Line {
    fn read(setting: &Setting, notes: &mut Notes) -> Option<Self> {
        let value = setting.value.as_str();
        let (target, rest) = value.split_once(char::is_whitespace)?;
        let (ends, port) = ends_and_port(target)?;
        let (quoted, rest) = quoted(rest);
        let mut words = rest.split_whitespace();
        let mut line = Self {
            ends,
            port: port.filter(|port| *port != 0),
            forwarding: forwarding(words.next()?)?,
            weight: 1,
            asked: match <[String; 2]>::try_from(quoted) {
                Ok([request, receive]) => Some((request, receive)),
                Err(none) if none.is_empty() => None,
                Err(_) => return None,
            },
            upper_threshold: 0,
            lower_threshold: 0,
        };
        for word in words {
            match word.split_once(':') {
                Some(("l", connections)) => {
                    line.lower_threshold = number(connections, setting.location, notes)?;
                }
                Some(("u", connections)) => {
                    line.upper_threshold = number(connections, setting.location, notes)?;
                }
                _ => line.weight = number(word, setting.location, notes)?,
            }
        }
        Some(line)
    }
}

/// `ADDRESS[->ADDRESS][:PORT]`.
fn ends_and_port(text: &str) -> Option<((IpAddr, IpAddr), Option<u16>)> {
    let (first, end) = match text.split_once("->") {
        Some((first, end)) => (Some(address(first)?), end),
        None => (None, text),
    };
    let (last, port) = address_and_port(end)?;
    Some(((first.unwrap_or(last), last), port))
}

/// `ADDRESS[:PORT]`.
pub(super) fn address_and_port(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Some(address) = address(text) {
        return Some((address, None));
    }
    let (host, name) = text.rsplit_once(':')?;
    Some((address(host)?, Some(port(name)?)))
}

/// The texts in quotes, and what is left without them.
fn quoted(text: &str) -> (Vec<String>, String) {
    let (mut quoted, mut rest) = (Vec::new(), String::new());
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            quoted.push(part.to_owned());
        } else if part.trim() != "," {
            rest.push_str(part);
            rest.push(' ');
        }
    }
    (quoted, rest)
}
