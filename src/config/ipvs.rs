//! The keys of a virtual service that say what IPVS does beyond weights: scheduler, tunnels,
//! flags, persistence.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use crate::model::{
    Checksum, Family, Forwarding, Persistence, Protocol, Scheduler, ServiceFlags, ServiceKey,
    Tunnel,
};

use super::declaration::{ENGINE, PERSISTENCE, SCHEDULER, TUNNEL, TunnelType};
use super::fields::Fields;
use super::node::{Content, Entry, Located};
use super::problem::{ErrorGuaranteed, Parsed, Problems, quoted};
use super::scalar::{Value, found};

/// The port that IANA has given to GUE.
const GUE_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(6079);
/// `IP_VS_PENAME_MAXLEN` less the final NUL.
const LONGEST_ENGINE: usize = 15;

/// The keys `forwarding` and `tunnel`.
pub(super) fn forwarding(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<Forwarding> {
    let forwarding = fields.choice("forwarding", problems);
    let tunnel = own_tunnel(fields, problems);
    let (forwarding, tunnel) = (forwarding?, tunnel?);
    match (forwarding, tunnel) {
        (Forwarding::Tunnel(_), Some((_, tunnel))) => Ok(Forwarding::Tunnel(tunnel)),
        (forwarding, None) => Ok(forwarding),
        (forwarding, Some((entry, _))) => Err(stray_tunnel(entry, forwarding, problems)),
    }
}

/// The same keys of a real server or sorry server; `None` for what its service, with the
/// forwarding `of_service`, says.
pub(super) fn own_forwarding(
    fields: &Fields<'_>,
    of_service: Parsed<Forwarding>,
    problems: &mut Problems,
) -> Parsed<Option<Located<Forwarding>>> {
    let own = fields.maybe("forwarding", |value| {
        let location = value.node.location;
        let value = value.choice(problems)?;
        Ok(Located { value, location })
    });
    let tunnel = own_tunnel(fields, problems);
    match (own?, tunnel?) {
        (None, None) => Ok(None),
        (Some(own), None) => {
            let value = match (own.value, of_service?) {
                (Forwarding::Tunnel(_), of_service @ Forwarding::Tunnel(_)) => of_service,
                (own, _) => own,
            };
            Ok(Some(Located { value, ..own }))
        }
        (own, Some((entry, tunnel))) => {
            let location = own.map_or(entry.key.location, |own| own.location);
            let forwarding = own.map_or(of_service?, |own| own.value);
            if !matches!(forwarding, Forwarding::Tunnel(_)) {
                return Err(stray_tunnel(entry, forwarding, problems));
            }
            let value = Forwarding::Tunnel(tunnel);
            Ok(Some(Located { value, location }))
        }
    }
}

fn stray_tunnel(entry: &Entry, forwarding: Forwarding, problems: &mut Problems) -> ErrorGuaranteed {
    problems.add(
        entry.key.location,
        format!("`tunnel` goes with `forwarding: tunnel` only, and this is {forwarding}"),
        "remove `tunnel`, or add a line `forwarding: tunnel`",
    )
}

/// The key `tunnel`, where it is there.
pub(super) fn own_tunnel<'n>(
    fields: &Fields<'n>,
    problems: &mut Problems,
) -> Parsed<Option<(&'n Entry, Tunnel)>> {
    let entry = fields.optional("tunnel")?;
    let tunnel = entry.map(|entry| Ok((entry, tunnel(entry, problems)?)));
    tunnel.transpose()
}

/// The mapping `tunnel`.
fn tunnel(entry: &Entry, problems: &mut Problems) -> Parsed<Tunnel> {
    if *entry.value.content() == Content::Null {
        let hint = "write a tunnel, such as `tunnel: { type: gue }`, or remove `tunnel`: then it \
                    is of the type `ipip`";
        return Err(Value::of(entry).wrong("a mapping", hint, problems));
    }
    let fields = Fields::section(Some(entry), &TUNNEL, problems)?;
    let kind = fields.choice("type", problems);
    let port = fields.maybe("port", |value| value.integer(problems));
    let port = port.map(|port| port.and_then(NonZeroU16::new));
    let checksum = fields.maybe("checksum", |value| value.choice(problems));
    let (kind, port, checksum) = (kind?, port?, checksum?);
    let stray = |key, message: &str, hint: &str, problems: &mut Problems| {
        let location = fields
            .optional(key)?
            .map_or(fields.location, |entry| entry.value.location);
        Err(problems.add(location, message, hint))
    };
    match (kind, port, checksum) {
        (TunnelType::Gue, port, checksum) => Ok(Tunnel::Gue {
            port: port.unwrap_or(GUE_PORT),
            checksum: checksum.unwrap_or_default(),
        }),
        (TunnelType::Ipip | TunnelType::Gre, Some(_), _) => stray(
            "port",
            "only a tunnel of type `gue` has a port",
            "remove `port`, or write `type: gue`",
            problems,
        ),
        (TunnelType::Ipip, None, Some(Checksum::Sum | Checksum::Remote)) => stray(
            "checksum",
            "a tunnel of type `ipip` has no checksum",
            "remove `checksum`, or write `type: gue` or `type: gre`",
            problems,
        ),
        (TunnelType::Ipip, None, None | Some(Checksum::None)) => Ok(Tunnel::Ipip),
        (TunnelType::Gre, None, Some(Checksum::Remote)) => stray(
            "checksum",
            "only a tunnel of type `gue` can have `checksum: remote`",
            "write `none` or `sum`",
            problems,
        ),
        (TunnelType::Gre, None, checksum) => Ok(Tunnel::Gre {
            checksum: checksum == Some(Checksum::Sum),
        }),
    }
}

/// The key `scheduler`.
pub(super) fn scheduler(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<Scheduler> {
    let value = fields.value("scheduler", problems)?;
    value.read(SCHEDULER, |text| text.parse().ok(), problems)
}

/// The keys `scheduler_flags` and `one_packet`; `has_flags` is of the scheduler.
pub(super) fn flags(
    fields: &Fields<'_>,
    has_flags: Parsed<bool>,
    key: Parsed<ServiceKey>,
    problems: &mut Problems,
) -> Parsed<ServiceFlags> {
    let own = fields.maybe("scheduler_flags", |value| {
        value.scheduler_flags(has_flags, problems)
    });
    let one_packet = fields.value("one_packet", problems).and_then(|value| {
        let one_packet = value.truth(problems)?;
        match key? {
            ServiceKey::Address {
                protocol: Protocol::Tcp | Protocol::Sctp,
                ..
            } if one_packet => Err(problems.add(
                value.node.location,
                "`one_packet` is for UDP: a connection would be torn apart",
                "remove `one_packet`, or write `protocol: udp`",
            )),
            ServiceKey::Address { .. } | ServiceKey::Fwmark { .. } if one_packet => {
                Ok(ServiceFlags::ONE_PACKET)
            }
            ServiceKey::Address { .. } | ServiceKey::Fwmark { .. } => Ok(ServiceFlags::default()),
        }
    });
    Ok(own?.unwrap_or_default().union(one_packet?))
}

impl Value<'_> {
    fn scheduler_flags(
        self,
        has_flags: Parsed<bool>,
        problems: &mut Problems,
    ) -> Parsed<ServiceFlags> {
        let hint = "write a list like `[fallback, port]`: fallback gives the share of a real \
                    server that takes nothing to the others, port makes the client's port count";
        let Content::Sequence(nodes) = self.node.content() else {
            return Err(self.wrong("a list of flags", hint, problems));
        };
        let mut flags = Ok(ServiceFlags::default());
        for node in nodes {
            let flag = Value { node, ..self }.choice::<ServiceFlags>(problems);
            flags = flags.and_then(|flags| Ok(flags.union(flag?)));
        }
        let flags = flags?;
        if flags != ServiceFlags::default() && !has_flags? {
            return Err(problems.add(
                self.node.location,
                "only the schedulers `sh` and `mh` have flags",
                "remove `scheduler_flags`, or write `scheduler: mh`",
            ));
        }
        Ok(flags)
    }

    /// A duration that is a number of seconds.
    pub(super) fn seconds(self, problems: &mut Problems) -> Parsed<u32> {
        let duration = self.duration(problems)?;
        match u32::try_from(duration.as_secs()) {
            Ok(seconds) if duration.subsec_nanos() == 0 => Ok(seconds),
            _ => Err(self.wrong(
                "whole seconds",
                "write whole seconds: the kernel counts no less",
                problems,
            )),
        }
    }

    /// Which clients count as one: as [`Persistence::netmask`] has it.
    fn netmask(self, family: Family, problems: &mut Problems) -> Parsed<u32> {
        let hint = match family {
            Family::Ipv4 => "write a prefix length like `24`, or `255.255.255.0`",
            Family::Ipv6 => "write a prefix length like `64`",
        };
        let longest = family.host_prefix_length();
        let wanted = match family {
            Family::Ipv4 => "a prefix length from 1 to 32 or a netmask",
            Family::Ipv6 => "a prefix length from 1 to 128 for an IPv6 service",
        };
        let length = match self.node.content() {
            Content::Number(_) => self
                .node
                .integer()
                .and_then(|length| u8::try_from(length).ok()),
            Content::Text(text) if family == Family::Ipv4 => text
                .parse::<Ipv4Addr>()
                .ok()
                .map(u32::from)
                .filter(|mask| mask.leading_ones() == mask.count_ones())
                .and_then(|mask| u8::try_from(mask.leading_ones()).ok()),
            _ => None,
        };
        let length = length.filter(|length| (1..=longest).contains(length));
        let length = length.ok_or_else(|| self.wrong(wanted, hint, problems))?;
        Ok(match family {
            Family::Ipv4 => u32::MAX << (32 - u32::from(length)),
            Family::Ipv6 => length.into(),
        })
    }

    fn engine(self, key: Parsed<ServiceKey>, problems: &mut Problems) -> Parsed<String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let is_name =
            |text: &str| (1..=LONGEST_ENGINE).contains(&text.len()) && text.bytes().all(plain);
        let text = self.text(ENGINE, is_name, problems)?;
        let protocol = match key? {
            ServiceKey::Address { protocol, .. } => Some(protocol),
            ServiceKey::Fwmark { .. } => None,
        };
        if text == "sip" && matches!(protocol, Some(Protocol::Tcp | Protocol::Sctp)) {
            return Err(problems.add(
                self.node.location,
                "the engine `sip` reads SIP over UDP only",
                "remove `engine`, or write `protocol: udp`",
            ));
        }
        Ok(text.to_owned())
    }
}

/// The key `persistence`.
pub(super) fn persistence(
    fields: &Fields<'_>,
    key: Parsed<Located<ServiceKey>>,
    problems: &mut Problems,
) -> Parsed<Option<Persistence>> {
    let every_port = |key: &ServiceKey| key.vip().is_some() && key.port() == 0;
    let Some(entry) = fields.optional("persistence")? else {
        return match key {
            // `ip_vs_schedule` of net/netfilter/ipvs/ip_vs_core.c gives a service of port 0
            // no connection without persistence.
            Ok(key) if every_port(&key.value) => Err(problems.add(
                key.location,
                "a service of every port has no `persistence`, without which IPVS gives it no \
                 connection",
                "add a line like `persistence: { timeout: 5m }`, or write a port in place of `*`",
            )),
            _ => Ok(None),
        };
    };
    let key = key.map(|key| key.value);
    if !matches!(entry.value.content(), Content::Mapping(_)) {
        return Err(problems.add(
            entry.value.location,
            format!(
                "`persistence` must be a mapping, not {}",
                found(&entry.value)
            ),
            "write it like `persistence: { timeout: 5m }`",
        ));
    }
    let fields = Fields::read(&entry.value, &PERSISTENCE, problems)?;
    let timeout_seconds = fields
        .value("timeout", problems)
        .and_then(|value| value.seconds(problems));
    let engine = fields.maybe("engine", |value| value.engine(key, problems));
    let family = key?.family();
    let host = match family {
        Family::Ipv4 => u32::MAX,
        Family::Ipv6 => family.host_prefix_length().into(),
    };
    let netmask = fields.maybe("netmask", |value| value.netmask(family, problems));
    Ok(Some(Persistence {
        timeout_seconds: timeout_seconds?,
        netmask: netmask?.unwrap_or(host),
        engine: engine?,
    }))
}

/// A real server's `upper_threshold` and `lower_threshold`.
pub(super) fn thresholds(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<(u32, u32)> {
    let upper = fields.integer("upper_threshold", problems);
    let lower = fields.written("lower_threshold").and_then(|value| {
        let Some(value) = value else {
            return Ok((None, 0));
        };
        Ok((Some(value.node.location), value.integer(problems)?))
    });
    let (upper, (location, lower)): (u32, (_, u32)) = (upper?, lower?);
    match location {
        Some(location) if lower > upper => Err(problems.add(
            location,
            format!(
                "{} is above the upper threshold, {upper}",
                quoted(&format!("lower_threshold: {lower}"))
            ),
            "write a lower threshold that is not above `upper_threshold`, or remove it: \
             then it is three quarters of that",
        )),
        _ => Ok((upper, lower)),
    }
}
