//! One definition for many: ranges of addresses, and lists of VIPs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::node::{Located, Location};
use super::problem::{Parsed, Problems, quoted};
use super::scalar::Value;
use crate::model::LONGEST_NAME;

/// How many real servers ranges and lists of VIPs may make in one
/// configuration. What is written out one by one does not count.
pub(crate) const MOST: usize = 65_536;

/// What is left of [`MOST`].
pub(super) struct ExpansionBudget(usize);

impl Default for ExpansionBudget {
    fn default() -> Self {
        Self(MOST)
    }
}

impl ExpansionBudget {
    /// Takes `count` real servers that are written at `location`.
    pub(super) fn take(
        &mut self,
        count: u128,
        location: Location,
        problems: &mut Problems,
    ) -> Parsed<()> {
        let left = usize::try_from(count).ok();
        if let Some(left) = left.and_then(|count| self.0.checked_sub(count)) {
            self.0 = left;
            return Ok(());
        }
        Err(problems.add(
            location,
            format!("with this, ranges and lists of VIPs make more than {MOST} real servers"),
            "write a smaller range, or fewer VIPs",
        ))
    }
}

/// A range of addresses as it was written, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// `None` if the ends are of two families or run backwards.
    pub(crate) fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let is_range = first.is_ipv4() == last.is_ipv4() && first <= last;
        is_range.then_some(Self { first, last })
    }

    /// The lowest.
    pub(super) const fn first(self) -> IpAddr {
        self.first
    }

    /// How many there are.
    pub(crate) fn count(self) -> u128 {
        number(self.last)
            .saturating_sub(number(self.first))
            .saturating_add(1)
    }

    /// All of them, in order.
    pub(crate) fn addresses(self) -> impl Iterator<Item = IpAddr> {
        (number(self.first)..=number(self.last)).map(move |number| match self.first {
            IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
            IpAddr::V6(_) => Ipv6Addr::from(number).into(),
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// One address, or a range of them.
pub(super) enum Addresses {
    One(IpAddr),
    Range(AddressRange),
}

impl Value<'_> {
    /// The address of a real server, or `FIRST-LAST`, where the last of IPv4
    /// may be its last number alone.
    pub(super) fn host_addresses(self, problems: &mut Problems) -> Parsed<Addresses> {
        let Some(text) = self.node.text().filter(|text| text.contains('-')) else {
            return self.host_address(problems).map(Addresses::One);
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        let Some((first, last)) = ends(bare) else {
            let hint = "write it like `192.168.11.21-60` or `2001:db8::21-2001:db8::30`";
            return Err(self.wrong("a range of IP addresses", hint, problems));
        };
        if first.is_ipv4() != last.is_ipv4() {
            let hint = "write both ends as IPv4 or both as IPv6 addresses";
            return Err(self.wrong("a range of one family", hint, problems));
        }
        if last < first {
            return Err(problems.add(
                self.node.location,
                format!("the range {} runs backwards", quoted(text)),
                "write the lower address first",
            ));
        }
        self.usable(first, problems)?;
        self.usable(last, problems)?;
        Ok(Addresses::Range(AddressRange { first, last }))
    }
}

fn ends(text: &str) -> Option<(IpAddr, IpAddr)> {
    let (first, last) = text.split_once('-')?;
    let first: IpAddr = first.trim().parse().ok()?;
    let last = last.trim();
    if let Ok(last) = last.parse() {
        return Some((first, last));
    }
    let (IpAddr::V4(v4), Ok(number)) = (first, last.parse()) else {
        return None;
    };
    let [a, b, c, _] = v4.octets();
    Some((first, Ipv4Addr::new(a, b, c, number).into()))
}

/// The name of one real server of a range: `rs` and `-192.168.11.21`, with
/// `-` for each `:` of IPv6.
pub(super) fn real_server_name(
    name: &Located<Arc<str>>,
    address: IpAddr,
    problems: &mut Problems,
) -> Parsed<Located<Arc<str>>> {
    suffixed(name, &address.to_string(), problems)
}

/// The name of one of several VIPs: `web` and `-192.168.11.200-80`.
pub(super) fn service_name(
    name: &Located<Arc<str>>,
    address: SocketAddr,
    problems: &mut Problems,
) -> Parsed<Located<Arc<str>>> {
    suffixed(
        name,
        &format!("{}-{}", address.ip(), address.port()),
        problems,
    )
}

fn suffixed(
    name: &Located<Arc<str>>,
    suffix: &str,
    problems: &mut Problems,
) -> Parsed<Located<Arc<str>>> {
    let location = name.location;
    let value = format!("{}-{}", name.value, suffix.replace(':', "-"));
    if value.len() > LONGEST_NAME {
        return Err(problems.add(
            location,
            format!("with its address the name is {}, too long", quoted(&value)),
            format!("choose a shorter name: both have {LONGEST_NAME} letters at most"),
        ));
    }
    let value = value.into();
    Ok(Located { value, location })
}

#[cfg(test)]
mod tests;
