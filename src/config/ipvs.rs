//! The keys of a virtual service that say what IPVS does beyond scheduling
//! and weights: tunnels, flags, persistence.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::Duration;

use crate::model::{
    Checksum, Family, Forwarding, Persistence, Protocol, Scheduler, ServiceFlags, ServiceKey,
    Tunnel,
};

use super::fields::Fields;
use super::node::{Content, Entry};
use super::problem::{Problems, Read, quoted};
use super::scalar::{Value, found};

/// The port that IANA has given to GUE.
const GUE_PORT: NonZeroU16 = NonZeroU16::MIN.saturating_add(6079);
/// What ipvsadm(8) takes without a number.
const PERSISTENCE: Duration = Duration::from_mins(5);
/// `INT_MAX / HZ` seconds, the most that `ip_vs_set_timeout` takes, where `HZ`
/// is 1000.
pub(super) const LONGEST_TIMEOUT: Duration = Duration::from_hours(24 * 24);
/// `IP_VS_PENAME_MAXLEN` less the final NUL.
const LONGEST_ENGINE: usize = 15;

/// The keys `forwarding` and `tunnel`.
pub(super) fn forwarding(fields: &Fields<'_>, problems: &mut Problems) -> Read<Forwarding> {
    let forwarding = fields.or_default("forwarding", Forwarding::Direct, |value| {
        let words = [
            ("direct", Forwarding::Direct),
            ("masquerade", Forwarding::Masquerade),
            ("tunnel", Forwarding::Tunnel(Tunnel::default())),
        ];
        let hint = "direct is VS/DR, masquerade is VS/NAT, tunnel is VS/TUN";
        value.choice(&words, hint, problems)
    });
    let tunnel = fields.optional("tunnel").and_then(|entry| {
        let made_of = tunnel(entry, problems)?;
        Ok(entry.map(|entry| (entry, made_of)))
    });
    let (forwarding, tunnel) = (forwarding?, tunnel?);
    match (forwarding, tunnel) {
        (Forwarding::Tunnel(_), Some((_, tunnel))) => Ok(Forwarding::Tunnel(tunnel)),
        (forwarding, None) => Ok(forwarding),
        (forwarding, Some((entry, _))) => Err(problems.add(
            entry.key.location,
            format!("`tunnel` goes with `forwarding: tunnel` only, and this is {forwarding}"),
            "remove `tunnel`, or add a line `forwarding: tunnel`",
        )),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Ipip,
    Gue,
    Gre,
}

fn tunnel(entry: Option<&Entry>, problems: &mut Problems) -> Read<Tunnel> {
    let keys = ["type", "port", "checksum"];
    let fields = Fields::section(entry, "a tunnel", &keys, problems)?;
    let kind = fields.or_default("type", Kind::Ipip, |value| {
        let words = [("ipip", Kind::Ipip), ("gue", Kind::Gue), ("gre", Kind::Gre)];
        let hint = "ipip is IP in IP, gue is IP in UDP, gre is generic routing encapsulation";
        value.choice(&words, hint, problems)
    });
    let port = fields.or_default("port", None, |value| {
        let port = value.integer(1..=u16::MAX, "6080", problems)?;
        Ok(NonZeroU16::new(port))
    });
    let checksum = fields.or_default("checksum", None, |value| {
        let words = [
            ("none", Checksum::None),
            ("sum", Checksum::Sum),
            ("remote", Checksum::Remote),
        ];
        let hint = "none is without, sum has one, remote is remote checksum offload (gue only)";
        value.choice(&words, hint, problems).map(Some)
    });
    let (kind, port, checksum) = (kind?, port?, checksum?);
    let stray = |key, message: &str, hint: &str, problems: &mut Problems| {
        let location = fields
            .optional(key)?
            .map_or(fields.location, |entry| entry.value.location);
        Err(problems.add(location, message, hint))
    };
    match (kind, port, checksum) {
        (Kind::Gue, port, checksum) => Ok(Tunnel::Gue {
            port: port.unwrap_or(GUE_PORT),
            checksum: checksum.unwrap_or_default(),
        }),
        (Kind::Ipip | Kind::Gre, Some(_), _) => stray(
            "port",
            "only a tunnel of type `gue` has a port",
            "remove `port`, or write `type: gue`",
            problems,
        ),
        (Kind::Ipip, None, Some(Checksum::Sum | Checksum::Remote)) => stray(
            "checksum",
            "a tunnel of type `ipip` has no checksum",
            "remove `checksum`, or write `type: gue` or `type: gre`",
            problems,
        ),
        (Kind::Ipip, None, None | Some(Checksum::None)) => Ok(Tunnel::Ipip),
        (Kind::Gre, None, Some(Checksum::Remote)) => stray(
            "checksum",
            "only a tunnel of type `gue` can have `checksum: remote`",
            "write `none` or `sum`",
            problems,
        ),
        (Kind::Gre, None, checksum) => Ok(Tunnel::Gre {
            checksum: checksum == Some(Checksum::Sum),
        }),
    }
}

/// The keys `scheduler_flags` and `one_packet`.
pub(super) fn flags(
    fields: &Fields<'_>,
    scheduler: Read<&Scheduler>,
    key: Read<ServiceKey>,
    problems: &mut Problems,
) -> Read<ServiceFlags> {
    let own = fields.or_default("scheduler_flags", ServiceFlags::default(), |value| {
        value.scheduler_flags(scheduler, problems)
    });
    let one_packet = fields.or_default("one_packet", ServiceFlags::default(), |value| {
        let Content::Bool(one_packet) = *value.node.content() else {
            let hint = "write `one_packet: true`, or remove it";
            return Err(value.wrong("`true` or `false`", hint, problems));
        };
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
    Ok(own?.union(one_packet?))
}

impl Value<'_> {
    fn scheduler_flags(
        self,
        scheduler: Read<&Scheduler>,
        problems: &mut Problems,
    ) -> Read<ServiceFlags> {
        let hint = "write a list like `[fallback, port]`: fallback gives the share of a real \
                    server that takes nothing to the others, port makes the client's port count";
        let Content::Sequence(nodes) = self.node.content() else {
            return Err(self.wrong("a list of flags", hint, problems));
        };
        let words = [
            ("fallback", ServiceFlags::FALLBACK),
            ("port", ServiceFlags::PORT),
        ];
        let mut flags = Ok(ServiceFlags::default());
        for node in nodes {
            let name = self.name;
            let flag = Value { name, node }.choice(&words, hint, problems);
            flags = flags.and_then(|flags| Ok(flags.union(flag?)));
        }
        let flags = flags?;
        if flags != ServiceFlags::default() && !matches!(scheduler?.as_str(), "sh" | "mh") {
            return Err(problems.add(
                self.node.location,
                "only the schedulers `sh` and `mh` have flags",
                "remove `scheduler_flags`, or write `scheduler: mh`",
            ));
        }
        Ok(flags)
    }

    /// A duration that is a number of seconds.
    pub(super) fn seconds(self, longest: Duration, problems: &mut Problems) -> Read<u32> {
        let duration = self.duration(Duration::from_secs(1)..=longest, problems)?;
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
    fn netmask(self, family: Family, problems: &mut Problems) -> Read<u32> {
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
            Content::Null
            | Content::Bool(_)
            | Content::Text(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => None,
        };
        let length = length.filter(|length| (1..=longest).contains(length));
        let length = length.ok_or_else(|| self.wrong(wanted, hint, problems))?;
        Ok(match family {
            Family::Ipv4 => u32::MAX << (32 - u32::from(length)),
            Family::Ipv6 => length.into(),
        })
    }

    fn engine(self, key: Read<ServiceKey>, problems: &mut Problems) -> Read<Option<String>> {
        let wanted = "the name of a persistence engine, of at most 15 letters";
        let hint = "write `sip`, the one that Linux has, or remove the key: \
                    then clients are told apart by their addresses";
        let text = self.text(wanted, hint, problems)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=LONGEST_ENGINE).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(self.wrong(wanted, hint, problems));
        }
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
        Ok(Some(text.to_owned()))
    }
}

/// The key `persistence`.
pub(super) fn persistence(
    fields: &Fields<'_>,
    key: Read<ServiceKey>,
    problems: &mut Problems,
) -> Read<Option<Persistence>> {
    let Some(entry) = fields.optional("persistence")? else {
        return Ok(None);
    };
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
    let keys = ["timeout", "netmask", "engine"];
    let fields = Fields::read(&entry.value, "the persistence", &keys, problems)?;
    let default = u32::try_from(PERSISTENCE.as_secs()).unwrap_or(u32::MAX);
    let timeout_seconds = fields.or_default("timeout", default, |value| {
        value.seconds(LONGEST_TIMEOUT, problems)
    });
    let engine = fields.or_default("engine", None, |value| value.engine(key, problems));
    let family = key?.family();
    let host = match family {
        Family::Ipv4 => u32::MAX,
        Family::Ipv6 => family.host_prefix_length().into(),
    };
    let netmask = fields.or_default("netmask", host, |value| value.netmask(family, problems));
    Ok(Some(Persistence {
        timeout_seconds: timeout_seconds?,
        netmask: netmask?,
        engine: engine?,
    }))
}

/// A real server's `upper_threshold` and `lower_threshold`.
pub(super) fn thresholds(fields: &Fields<'_>, problems: &mut Problems) -> Read<(u32, u32)> {
    const LARGEST: u32 = i32::MAX.unsigned_abs();
    let upper = fields.or_default("upper_threshold", 0, |value| {
        value.integer(0..=LARGEST, "1000", problems)
    });
    let lower = fields.optional("lower_threshold").and_then(|entry| {
        let Some(entry) = entry else {
            return Ok((None, 0));
        };
        let lower = Value::of(entry).integer(0..=LARGEST, "800", problems)?;
        Ok((Some(entry), lower))
    });
    let (upper, (entry, lower)) = (upper?, lower?);
    match entry {
        Some(entry) if lower > upper => Err(problems.add(
            entry.value.location,
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
