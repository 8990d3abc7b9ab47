//! The section `defaults`: what is checked of each key whether or not a virtual service takes
//! the value.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::model::{Forwarding, Protocol, ServiceKey, Tunnel};

use super::check::{WrittenCheck, check};
use super::declaration::{DEFAULTS, SERVICE};
use super::fields::Fields;
use super::ipvs;
use super::node::{Entry, Located, Location};
use super::pool::pool;
use super::problem::{DefaultsText, Parsed, Problems};
use super::secret_reader::IfMissing;

/// Virtual services of which at least one may have any valid default.
const TAKERS: [(Protocol, IpAddr); 3] = [
    (Protocol::Tcp, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    (Protocol::Udp, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    (Protocol::Udp, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
];

/// The section, without the keys whose values no virtual service could have. `end` is where the
/// next section begins.
pub(super) fn defaults<'n>(
    entry: Option<&'n Entry>,
    end: Option<Location>,
    problems: &mut Problems,
) -> Parsed<Fields<'n>> {
    let mut fields = Fields::section(entry, &DEFAULTS, problems)?;
    problems.set_defaults(DefaultsText::new(fields.entries(), end));
    fields.find_misplaced(&SERVICE);
    for key in DEFAULTS.keys() {
        let Some(alone) = fields.alone(key.name) else {
            continue;
        };
        if let Err(reported) = check_value(&alone, problems) {
            fields.reject(key.name, reported);
        }
    }
    Ok(fields)
}

/// Reports what is wrong with the only key of `alone`, whatever takes its value.
fn check_value(alone: &Fields<'_>, problems: &mut Problems) -> Parsed<()> {
    let mut first = None;
    for (protocol, ip) in TAKERS {
        // What this host lacks of a secret is reported by the services that need the secret.
        let mut apart = Problems::reading_secrets(IfMissing::Unread);
        let address = SocketAddr::new(ip, 80);
        read(alone, ServiceKey::Address { protocol, address }, &mut apart);
        if apart.is_empty() {
            return Ok(());
        }
        first.get_or_insert(apart);
    }
    first.map_or(Ok(()), |apart| problems.take_over(apart))
}

/// Reads the keys as a virtual service does that may have all of them.
fn read(fields: &Fields<'_>, key: ServiceKey, problems: &mut Problems) {
    let forwarding = Forwarding::Tunnel(Tunnel::Ipip);
    let located = Located {
        value: key,
        location: fields.location,
    };
    let _protocol: Parsed<Protocol> = fields.choice("protocol", problems);
    let _scheduler = ipvs::scheduler(fields, problems);
    let _flags = ipvs::flags(fields, Ok(true), Ok(key), problems);
    let _forwarding: Parsed<Forwarding> = fields.choice("forwarding", problems);
    let _tunnel = ipvs::own_tunnel(fields, problems);
    let _persistence = ipvs::persistence(fields, Ok(located), problems);
    let written = fields.optional("check").map(WrittenCheck::alone);
    let _check = written.and_then(|written| check(written, key.address(), problems));
    let _pool = pool(fields, Ok(key), Ok(forwarding), problems);
}

#[cfg(test)]
mod tests;
