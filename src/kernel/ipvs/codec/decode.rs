//! Answers of IPVS.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use crate::kernel::attributes::{
    DecodeError, GenericAttributes, name_of, text_of, u16_of, u32_of, value_error,
};
use crate::kernel::ipvs::IpvsInfo;
use crate::kernel::ipvs::uapi::{
    self, Command, CommandAttribute, DaemonAttribute, DestinationAttribute, InfoAttribute,
    ServiceAttribute, StatsAttribute,
};
use crate::kernel::{ObservedDestination, ObservedService};
use crate::model::{
    Checksum, Connections, Destination, Family, Forwarding, Persistence, Protocol, RealServerKey,
    Scheduler, Service, ServiceFlags, ServiceKey, Statistics, SyncDaemon, SyncState, Timeout,
    Tunnel, Weight,
};

/// One item of a dump of services.
///
/// `None` is a service of a protocol that the model has no name for (only TCP,
/// UDP and SCTP can be configured): it is somebody else's, and must not keep
/// the rest of the table from being read.
pub(in crate::kernel::ipvs) fn service(
    message: &[u8],
) -> Result<Option<(ServiceKey, ObservedService)>, DecodeError> {
    let attributes: GenericAttributes<'_, ServiceAttribute> =
        top(message, Command::NewService)?.nested(CommandAttribute::Service, "SERVICE")?;
    let Some(key) = service_key(&attributes)? else {
        return Ok(None);
    };
    let scheduler = |bytes| text_of(bytes)?.parse::<Scheduler>().ok();
    let scheduler = attributes.value(ServiceAttribute::Scheduler, "SCHED_NAME", scheduler)?;
    // struct ip_vs_flags: the mask after the flags is of no interest here.
    let flags = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    let flags = attributes.value(ServiceAttribute::Flags, "FLAGS", flags)?;
    let persistence = if flags & uapi::SVC_F_PERSISTENT == 0 {
        None
    } else {
        Some(persistence(&attributes, key.family())?)
    };
    let wide = attributes.get(ServiceAttribute::Stats64);
    let statistics = statistics(wide.or_else(|| attributes.get(ServiceAttribute::Stats)))?;
    let service = Service {
        scheduler,
        flags: ServiceFlags::from_bits(flags),
        persistence,
    };
    Ok(Some((
        key,
        ObservedService {
            service,
            statistics,
        },
    )))
}

fn service_key(
    attributes: &GenericAttributes<'_, ServiceAttribute>,
) -> Result<Option<ServiceKey>, DecodeError> {
    let family = attributes.value(ServiceAttribute::AddressFamily, "AF", family)?;
    let mark = |bytes| u32_of(bytes).and_then(NonZeroU32::new);
    if let Some(mark) = attributes.optional(ServiceAttribute::Fwmark, "FWMARK", mark)? {
        return Ok(Some(ServiceKey::Fwmark { mark, family }));
    }
    let protocol = attributes.value(ServiceAttribute::Protocol, "PROTOCOL", u16_of)?;
    let protocol = match protocol {
        uapi::IPPROTO_TCP => Protocol::Tcp,
        uapi::IPPROTO_UDP => Protocol::Udp,
        uapi::IPPROTO_SCTP => Protocol::Sctp,
        _ => return Ok(None),
    };
    let address = |bytes: &[u8]| ip_address(bytes, family);
    let address = attributes.value(ServiceAttribute::Address, "ADDR", address)?;
    let port = attributes.value(ServiceAttribute::Port, "PORT", port)?;
    Ok(Some(ServiceKey::Address {
        protocol,
        address: SocketAddr::new(address, port),
    }))
}

fn persistence(
    attributes: &GenericAttributes<'_, ServiceAttribute>,
    family: Family,
) -> Result<Persistence, DecodeError> {
    let netmask = attributes.value(ServiceAttribute::Netmask, "NETMASK", u32_of)?;
    let engine = attributes.optional(ServiceAttribute::Engine, "PE_NAME", text_of)?;
    Ok(Persistence {
        timeout_seconds: attributes.value(ServiceAttribute::Timeout, "TIMEOUT", u32_of)?,
        netmask: match family {
            Family::Ipv4 => u32::from_be(netmask),
            Family::Ipv6 => netmask,
        },
        engine: engine.filter(|name| !name.is_empty()).map(str::to_owned),
    })
}

/// One item of a dump of the destinations of a service of `family`.
pub(in crate::kernel::ipvs) fn destination(
    message: &[u8],
    service_family: Family,
) -> Result<(RealServerKey, ObservedDestination), DecodeError> {
    let attributes: GenericAttributes<'_, DestinationAttribute> =
        top(message, Command::NewDest)?.nested(CommandAttribute::Destination, "DEST")?;
    let family = attributes.optional(DestinationAttribute::AddressFamily, "ADDR_FAMILY", family)?;
    let family = family.unwrap_or(service_family);
    let address = |bytes: &[u8]| ip_address(bytes, family);
    let address = attributes.value(DestinationAttribute::Address, "ADDR", address)?;
    let port = attributes.value(DestinationAttribute::Port, "PORT", port)?;
    let method = attributes.value(DestinationAttribute::ForwardingMethod, "FWD_METHOD", u32_of)?;
    let method = method & uapi::CONN_F_FWD_MASK;
    let forwarding = match method {
        uapi::CONN_F_MASQ => Forwarding::Masquerade,
        uapi::CONN_F_LOCALNODE => Forwarding::Local,
        uapi::CONN_F_TUNNEL => Forwarding::Tunnel(tunnel(&attributes)?),
        uapi::CONN_F_DROUTE => Forwarding::Direct,
        _ => return Err(value_error("FWD_METHOD", &method.to_ne_bytes())),
    };
    let number = |kind, name| attributes.value(kind, name, u32_of);
    let weight = |bytes| u32_of(bytes).and_then(Weight::new);
    let destination = Destination {
        forwarding,
        weight: attributes.value(DestinationAttribute::Weight, "WEIGHT", weight)?,
        upper_threshold: number(DestinationAttribute::UpperThreshold, "U_THRESH")?,
        lower_threshold: number(DestinationAttribute::LowerThreshold, "L_THRESH")?,
    };
    // A request does not carry the counts, and every item of a dump does.
    let count = |kind, name| {
        let count = attributes.optional(kind, name, u32_of)?;
        Ok::<_, DecodeError>(count.unwrap_or(0))
    };
    let connections = Connections {
        active: count(DestinationAttribute::ActiveConnections, "ACTIVE_CONNS")?,
        inactive: count(DestinationAttribute::InactiveConnections, "INACT_CONNS")?,
        persistent: count(DestinationAttribute::PersistentConnections, "PERSIST_CONNS")?,
    };
    let wide = attributes.get(DestinationAttribute::Stats64);
    let statistics = statistics(wide.or_else(|| attributes.get(DestinationAttribute::Stats)))?;
    Ok((
        RealServerKey(SocketAddr::new(address, port)),
        ObservedDestination {
            destination,
            connections,
            statistics,
        },
    ))
}

fn tunnel(attributes: &GenericAttributes<'_, DestinationAttribute>) -> Result<Tunnel, DecodeError> {
    let kind = attributes
        .get(DestinationAttribute::TunnelType)
        .unwrap_or(&[uapi::TUNNEL_TYPE_IPIP]);
    let flags = || {
        let flags = attributes.optional(DestinationAttribute::TunnelFlags, "TUN_FLAGS", u16_of)?;
        Ok::<_, DecodeError>(flags.unwrap_or(0))
    };
    match *kind {
        [uapi::TUNNEL_TYPE_IPIP] => Ok(Tunnel::Ipip),
        [uapi::TUNNEL_TYPE_GUE] => {
            let port = |bytes| port(bytes).and_then(NonZeroU16::new);
            let port = attributes.value(DestinationAttribute::TunnelPort, "TUN_PORT", port)?;
            let flags = flags()?;
            Ok(Tunnel::Gue {
                port,
                checksum: if flags & uapi::TUNNEL_FLAG_REMOTE != 0 {
                    Checksum::Remote
                } else if flags & uapi::TUNNEL_FLAG_SUM != 0 {
                    Checksum::Sum
                } else {
                    Checksum::None
                },
            })
        }
        [uapi::TUNNEL_TYPE_GRE] => Ok(Tunnel::Gre {
            checksum: flags()? & uapi::TUNNEL_FLAG_SUM != 0,
        }),
        _ => Err(value_error("TUN_TYPE", kind)),
    }
}

/// The answer to `GET_CONFIG`. A kernel that was built without a protocol
/// leaves its time-outs out.
pub(in crate::kernel::ipvs) fn timeouts(
    message: &[u8],
) -> Result<BTreeMap<Timeout, u32>, DecodeError> {
    let attributes = top::<CommandAttribute>(message, Command::SetConfig)?;
    let mut timeouts = BTreeMap::new();
    for (timeout, kind, name) in [
        (Timeout::Tcp, CommandAttribute::TimeoutTcp, "TIMEOUT_TCP"),
        (
            Timeout::TcpFin,
            CommandAttribute::TimeoutTcpFin,
            "TIMEOUT_TCP_FIN",
        ),
        (Timeout::Udp, CommandAttribute::TimeoutUdp, "TIMEOUT_UDP"),
    ] {
        let seconds = attributes.optional(kind, name, u32_of)?;
        timeouts.extend(seconds.map(|seconds| (timeout, seconds)));
    }
    Ok(timeouts)
}

/// One item of a dump of daemons.
pub(in crate::kernel::ipvs) fn sync_daemon(message: &[u8]) -> Result<SyncDaemon, DecodeError> {
    let attributes: GenericAttributes<'_, DaemonAttribute> =
        top(message, Command::NewDaemon)?.nested(CommandAttribute::Daemon, "DAEMON")?;
    let state = |bytes| match u32_of(bytes)? {
        uapi::STATE_MASTER => Some(SyncState::Master),
        uapi::STATE_BACKUP => Some(SyncState::Backup),
        _ => None,
    };
    Ok(SyncDaemon {
        state: attributes.value(DaemonAttribute::State, "STATE", state)?,
        interface: attributes.value(DaemonAttribute::Interface, "MCAST_IFN", name_of)?,
        sync_id: attributes.value(DaemonAttribute::SyncId, "SYNC_ID", u32_of)?,
    })
}

/// The answer to `GET_INFO`.
pub(in crate::kernel::ipvs) fn info(message: &[u8]) -> Result<IpvsInfo, DecodeError> {
    let attributes = top::<InfoAttribute>(message, Command::SetInfo)?;
    let number = |kind, name| attributes.value(kind, name, u32_of);
    let version = number(InfoAttribute::Version, "VERSION")?;
    let [_, major, minor, patch] = version.to_be_bytes();
    Ok(IpvsInfo {
        version: [major, minor, patch],
        connection_table_size: number(InfoAttribute::ConnectionTableSize, "CONN_TAB_SIZE")?,
    })
}

/// The attributes of a message with this command.
fn top<T: Into<u16>>(
    message: &[u8],
    expected: Command,
) -> Result<GenericAttributes<'_, T>, DecodeError> {
    let (command, attributes) = GenericAttributes::of(message)?;
    if command == u8::from(expected) {
        Ok(attributes)
    } else {
        Err(DecodeError::Command(command))
    }
}

/// The counters of a nested attribute; each is a u32 in `STATS` and a u64 in `STATS64`.
fn statistics(payload: Option<&[u8]>) -> Result<Statistics, DecodeError> {
    let Some(payload) = payload else {
        return Ok(Statistics::default());
    };
    let counters = GenericAttributes::<StatsAttribute>::within(payload)?;
    let wide = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_ne_bytes);
    let counter = |kind, name| {
        counters.value(kind, name, |bytes| {
            u32_of(bytes).map(u64::from).or_else(|| wide(bytes))
        })
    };
    Ok(Statistics {
        connections: counter(StatsAttribute::Connections, "CONNS")?,
        incoming_packets: counter(StatsAttribute::IncomingPackets, "INPKTS")?,
        outgoing_packets: counter(StatsAttribute::OutgoingPackets, "OUTPKTS")?,
        incoming_bytes: counter(StatsAttribute::IncomingBytes, "INBYTES")?,
        outgoing_bytes: counter(StatsAttribute::OutgoingBytes, "OUTBYTES")?,
    })
}

fn family(bytes: &[u8]) -> Option<Family> {
    match u16_of(bytes)? {
        uapi::AF_INET => Some(Family::Ipv4),
        uapi::AF_INET6 => Some(Family::Ipv6),
        _ => None,
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    u16_of(bytes).map(u16::from_be)
}

fn ip_address(bytes: &[u8], family: Family) -> Option<IpAddr> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    match family {
        Family::Ipv4 => {
            let [a, b, c, d, ..] = bytes;
            Some(Ipv4Addr::new(a, b, c, d).into())
        }
        Family::Ipv6 => Some(Ipv6Addr::from(bytes).into()),
    }
}
