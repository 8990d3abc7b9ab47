//! `virtual_server_group`: VIPs, ranges of them and firewall marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::ExpansionBudget;
use super::super::note::Notes;
use super::blocks::Statement;
use crate::config::AddressRange;
use crate::model::Family;

/// What a group has, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) addresses: Vec<SocketAddr>,
    /// The family where one is written.
    pub(super) marks: Vec<(u32, Option<Family>)>,
}

impl Group {
    pub(super) fn read(
        statement: &Statement,
        budget: &mut ExpansionBudget,
        notes: &mut Notes,
    ) -> Self {
        let mut group = Self::default();
        for entry in statement.block() {
            if entry.is_template(notes) {
                continue;
            }
            if entry.keyword() == "fwmark" {
                let family = family(entry.argument(1));
                match entry.argument(0).parse() {
                    Ok(mark) => group.marks.push((mark, family)),
                    Err(_) => super::settings::note_invalid(entry, "firewall mark", notes),
                }
                continue;
            }
            let port = match entry.argument(0) {
                "" => Some(0),
                text => text.parse().ok(),
            };
            let (Some((first, last)), Some(port)) = (ends(entry.keyword()), port) else {
                let text = format!(
                    "`{} {}` is left out of the group `{}`: it is no address, or range of \
                     addresses, with a port",
                    entry.keyword(),
                    entry.rest(),
                    statement.argument(0)
                );
                notes.add(entry.location, text);
                continue;
            };
            let Some(range) = AddressRange::new(first, last) else {
                let text = format!(
                    "the range `{}` is left out: it runs backwards",
                    entry.keyword()
                );
                notes.add(entry.location, text);
                continue;
            };
            if !budget.take(range.count(), entry.location, notes) {
                continue;
            }
            let addresses = range
                .addresses()
                .map(|address| SocketAddr::new(address, port));
            group.addresses.extend(addresses);
        }
        group
    }
}

pub(super) fn family(text: &str) -> Option<Family> {
    match text {
        "inet" => Some(Family::Ipv4),
        "inet6" => Some(Family::Ipv6),
        _ => None,
    }
}

/// Both ends of `ADDRESS`, `ADDRESS-LAST`, `ADDRESS-ADDRESS` or `ADDRESS/LENGTH`.
fn ends(text: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((address, length)) = text.split_once('/') {
        return network(address.parse().ok()?, length.parse().ok()?);
    }
    let Some((first, last)) = text.split_once('-') else {
        let address = text.parse().ok()?;
        return Some((address, address));
    };
    let first: IpAddr = first.parse().ok()?;
    if let Ok(last) = last.parse() {
        return Some((first, last));
    }
    let last = match first {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, last.parse().ok()?).into()
        }
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            *segments.last_mut()? = u16::from_str_radix(last, 16).ok()?;
            Ipv6Addr::from(segments).into()
        }
    };
    Some((first, last))
}

fn network(address: IpAddr, length: u32) -> Option<(IpAddr, IpAddr)> {
    Some(match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).filter(|_| length <= 32);
            let host = if length == 32 { 0 } else { host? };
            let first = u32::from(address) & !host;
            (
                Ipv4Addr::from(first).into(),
                Ipv4Addr::from(first | host).into(),
            )
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).filter(|_| length <= 128);
            let host = if length == 128 { 0 } else { host? };
            let first = u128::from(address) & !host;
            (
                Ipv6Addr::from(first).into(),
                Ipv6Addr::from(first | host).into(),
            )
        }
    })
}
