//! Names of virtual services and real servers: made of addresses, so that they
//! stay the same however the entries of the file are sorted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::draft::{Draft, Key};
use crate::model::LONGEST_NAME;
use crate::model::{Family, Protocol};

/// The longest suffix that a list of VIPs adds to a name: an IPv6 address, a
/// port, and a `-` before each.
const LONGEST_SUFFIX: usize = 1 + 39 + 1 + 5;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name, with a number behind it if it is taken.
    fn unique(&mut self, name: &str, longest: usize) -> String {
        let mut unique = name.to_owned();
        let mut number = 1_usize;
        while self.0.contains(&unique) {
            number += 1;
            let suffix = format!("-{number}");
            let room = longest.saturating_sub(suffix.len());
            unique = name.chars().take(room).chain(suffix.chars()).collect();
        }
        self.0.insert(unique.clone());
        unique
    }

    /// The name of a service: what the file calls it, or its VIP and port.
    pub(super) fn of_service(&mut self, draft: &Draft) -> String {
        let longest = match &draft.key {
            Key::Addresses { addresses, .. } if addresses.len() > 1 => {
                LONGEST_NAME - LONGEST_SUFFIX
            }
            Key::Addresses { .. } | Key::Mark { .. } => LONGEST_NAME,
        };
        let label = draft.label.as_deref().map(plain);
        let label = label.filter(|label| !label.is_empty());
        let mut name = label.unwrap_or_else(|| match &draft.key {
            Key::Addresses { addresses, .. } => addresses.first().map_or_else(
                || "service".to_owned(),
                |first| match first.port() {
                    0 => format!("{}-every-port", of_address(first.ip())),
                    port => format!("{}-{port}", of_address(first.ip())),
                },
            ),
            Key::Mark { mark, .. } => format!("fwmark-{mark}"),
        });
        let suffix = match (draft.key.protocol(), draft.key.family()) {
            (Some(Protocol::Udp), _) => "-udp",
            (Some(Protocol::Sctp), _) => "-sctp",
            (None, Family::Ipv6) => "-ipv6",
            (Some(Protocol::Tcp), _) | (None, Family::Ipv4) => "",
        };
        name.truncate(longest.saturating_sub(suffix.len()));
        name.push_str(suffix);
        self.unique(&name, longest)
    }

    /// The name of a real server of one service.
    pub(super) fn of_real_server(&mut self, address: IpAddr, port: Option<u16>) -> String {
        let name = of_address(address);
        match port {
            Some(port) if self.0.contains(&name) => {
                self.unique(&format!("{name}-{port}"), LONGEST_NAME)
            }
            _ => self.unique(&name, LONGEST_NAME),
        }
    }
}

fn of_address(address: IpAddr) -> String {
    address.to_string().replace(':', "-")
}

/// Only the characters that a name may have; each run of others is a `-`.
fn plain(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-') {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').to_owned()
}
