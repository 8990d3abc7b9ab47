use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};

use neli::FromBytesWithInput;
use neli::attr::Attribute as _;
use neli::consts::genl::NlAttrType;
use neli::err::DeError;
use neli::genl::{GenlAttrHandle, Genlmsghdr};
use neli::types::{Buffer, GenlBuffer};
use thiserror::Error;

use crate::kernel::ipvs::IpvsInfo;
use crate::kernel::ipvs::uapi::{
    self, Command, CommandAttribute, DaemonAttribute, DestinationAttribute, InfoAttribute,
    ServiceAttribute, StatsAttribute,
};
use crate::kernel::{ObservedDestination, ObservedService};
use crate::model::{
    Checksum, Connections, Destination, Family, Forwarding, Persistence, Protocol, RealServerKey,
    Scheduler, Service, ServiceFlags, ServiceKey, Statistics, Timeout, Tunnel, Weight,
};

/// A message of IPVS that does not have the form that `linux/ip_vs.h` gives it.
#[derive(Debug, Error)]
pub(in crate::kernel::ipvs) enum DecodeError {
    /// The message or a nested attribute does not fall into attributes.
    #[error("it does not consist of attributes")]
    Shape(#[source] DeError),
    /// The message answers something else.
    #[error("it is an answer to IPVS command {}", u8::from(*.0))]
    Command(Command),
    /// An attribute without which the item means nothing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An attribute of a wrong length or of an impossible value.
    #[error("{name} cannot be {}", hexadecimal(bytes))]
    Value {
        /// The attribute.
        name: &'static str,
        /// Its payload.
        bytes: Box<[u8]>,
    },
}

fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// One item of a dump of services.
///
/// `None` is a service of a protocol that the model has no name for (only TCP,
/// UDP and SCTP can be configured): it is somebody else's, and must not keep
/// the rest of the table from being read.
pub(in crate::kernel::ipvs) fn service(
    message: &[u8],
) -> Result<Option<(ServiceKey, ObservedService)>, DecodeError> {
    let top = top::<CommandAttribute>(message, Command::NewService)?;
    let attributes =
        Attributes::<ServiceAttribute>::inside(&top, CommandAttribute::Service, "SERVICE")?;
    let Some(key) = service_key(&attributes)? else {
        return Ok(None);
    };
    let scheduler = attributes.required(ServiceAttribute::Scheduler, "SCHED_NAME")?;
    let scheduler: Scheduler = text(scheduler)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| value_error("SCHED_NAME", scheduler))?;
    // struct ip_vs_flags: the mask after the flags is of no interest here.
    let flags = attributes.required(ServiceAttribute::Flags, "FLAGS")?;
    let flags = flags
        .first_chunk::<4>()
        .map(|bytes| u32::from_ne_bytes(*bytes))
        .ok_or_else(|| value_error("FLAGS", flags))?;
    let persistence = if flags & uapi::SVC_F_PERSISTENT == 0 {
        None
    } else {
        Some(persistence(&attributes, key.family())?)
    };
    let statistics = attributes.statistics(ServiceAttribute::Stats64, ServiceAttribute::Stats)?;
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
    attributes: &Attributes<'_, ServiceAttribute>,
) -> Result<Option<ServiceKey>, DecodeError> {
    let family = family(attributes.u16(ServiceAttribute::AddressFamily, "AF")?, "AF")?;
    if let Some(mark) = attributes.get(ServiceAttribute::Fwmark) {
        let mark = u32_of(mark)
            .and_then(NonZeroU32::new)
            .ok_or_else(|| value_error("FWMARK", mark))?;
        return Ok(Some(ServiceKey::Fwmark { mark, family }));
    }
    let protocol = match attributes.u16(ServiceAttribute::Protocol, "PROTOCOL")? {
        uapi::IPPROTO_TCP => Protocol::Tcp,
        uapi::IPPROTO_UDP => Protocol::Udp,
        uapi::IPPROTO_SCTP => Protocol::Sctp,
        _ => return Ok(None),
    };
    let address = attributes.required(ServiceAttribute::Address, "ADDR")?;
    let address = ip_address(address, family).ok_or_else(|| value_error("ADDR", address))?;
    let port = u16::from_be(attributes.u16(ServiceAttribute::Port, "PORT")?);
    Ok(Some(ServiceKey::Address {
        protocol,
        address: SocketAddr::new(address, port),
    }))
}

fn persistence(
    attributes: &Attributes<'_, ServiceAttribute>,
    family: Family,
) -> Result<Persistence, DecodeError> {
    let netmask = attributes.u32(ServiceAttribute::Netmask, "NETMASK")?;
    let engine = attributes
        .get(ServiceAttribute::Engine)
        .map(|name| text(name).ok_or_else(|| value_error("PE_NAME", name)))
        .transpose()?;
    Ok(Persistence {
        timeout_seconds: attributes.u32(ServiceAttribute::Timeout, "TIMEOUT")?,
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
    let top = top::<CommandAttribute>(message, Command::NewDest)?;
    let attributes =
        Attributes::<DestinationAttribute>::inside(&top, CommandAttribute::Destination, "DEST")?;
    let family = match attributes.get(DestinationAttribute::AddressFamily) {
        Some(bytes) => {
            let number = u16_of(bytes).ok_or_else(|| value_error("ADDR_FAMILY", bytes))?;
            family(number, "ADDR_FAMILY")?
        }
        None => service_family,
    };
    let address = attributes.required(DestinationAttribute::Address, "ADDR")?;
    let address = ip_address(address, family).ok_or_else(|| value_error("ADDR", address))?;
    let port = u16::from_be(attributes.u16(DestinationAttribute::Port, "PORT")?);
    let method = attributes.required(DestinationAttribute::ForwardingMethod, "FWD_METHOD")?;
    let weight = attributes.required(DestinationAttribute::Weight, "WEIGHT")?;
    let method = u32_of(method)
        .map(|method| method & uapi::CONN_F_FWD_MASK)
        .ok_or_else(|| value_error("FWD_METHOD", method))?;
    let forwarding = match method {
        uapi::CONN_F_MASQ => Forwarding::Masquerade,
        uapi::CONN_F_LOCALNODE => Forwarding::Local,
        uapi::CONN_F_TUNNEL => Forwarding::Tunnel(tunnel(&attributes)?),
        uapi::CONN_F_DROUTE => Forwarding::Direct,
        _ => return Err(value_error("FWD_METHOD", &method.to_ne_bytes())),
    };
    let destination = Destination {
        forwarding,
        weight: u32_of(weight)
            .and_then(Weight::new)
            .ok_or_else(|| value_error("WEIGHT", weight))?,
        upper_threshold: attributes.u32(DestinationAttribute::UpperThreshold, "U_THRESH")?,
        lower_threshold: attributes.u32(DestinationAttribute::LowerThreshold, "L_THRESH")?,
    };
    let connections = Connections {
        active: attributes.count(DestinationAttribute::ActiveConnections, "ACTIVE_CONNS")?,
        inactive: attributes.count(DestinationAttribute::InactiveConnections, "INACT_CONNS")?,
        persistent: attributes
            .count(DestinationAttribute::PersistentConnections, "PERSIST_CONNS")?,
    };
    let statistics =
        attributes.statistics(DestinationAttribute::Stats64, DestinationAttribute::Stats)?;
    Ok((
        RealServerKey(SocketAddr::new(address, port)),
        ObservedDestination {
            destination,
            connections,
            statistics,
        },
    ))
}

fn tunnel(attributes: &Attributes<'_, DestinationAttribute>) -> Result<Tunnel, DecodeError> {
    let kind = attributes
        .get(DestinationAttribute::TunnelType)
        .unwrap_or(&[uapi::TUNNEL_TYPE_IPIP]);
    let flags = || match attributes.get(DestinationAttribute::TunnelFlags) {
        Some(bytes) => u16_of(bytes).ok_or_else(|| value_error("TUN_FLAGS", bytes)),
        None => Ok(0),
    };
    match *kind {
        [uapi::TUNNEL_TYPE_IPIP] => Ok(Tunnel::Ipip),
        [uapi::TUNNEL_TYPE_GUE] => {
            let port = attributes.required(DestinationAttribute::TunnelPort, "TUN_PORT")?;
            let flags = flags()?;
            Ok(Tunnel::Gue {
                port: u16_of(port)
                    .and_then(|port| NonZeroU16::new(u16::from_be(port)))
                    .ok_or_else(|| value_error("TUN_PORT", port))?,
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
    let top = top::<CommandAttribute>(message, Command::SetConfig)?;
    let attributes = Attributes(top.attrs().get_attr_handle());
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
        if let Some(bytes) = attributes.get(kind) {
            let seconds = u32_of(bytes).ok_or_else(|| value_error(name, bytes))?;
            timeouts.insert(timeout, seconds);
        }
    }
    Ok(timeouts)
}

/// The state of a daemon, one item of a dump of them: `IP_VS_STATE_*`.
pub(in crate::kernel::ipvs) fn daemon_state(message: &[u8]) -> Result<u32, DecodeError> {
    let top = top::<CommandAttribute>(message, Command::NewDaemon)?;
    let attributes =
        Attributes::<DaemonAttribute>::inside(&top, CommandAttribute::Daemon, "DAEMON")?;
    let state = attributes.required(DaemonAttribute::State, "STATE")?;
    u32_of(state).ok_or_else(|| value_error("STATE", state))
}

/// The answer to `GET_INFO`.
pub(in crate::kernel::ipvs) fn info(message: &[u8]) -> Result<IpvsInfo, DecodeError> {
    let top = top::<InfoAttribute>(message, Command::SetInfo)?;
    let attributes = Attributes(top.attrs().get_attr_handle());
    let [_, major, minor, patch] = attributes
        .u32(InfoAttribute::Version, "VERSION")?
        .to_be_bytes();
    Ok(IpvsInfo {
        version: [major, minor, patch],
        connection_table_size: attributes
            .u32(InfoAttribute::ConnectionTableSize, "CONN_TAB_SIZE")?,
    })
}

fn top<T: NlAttrType>(
    message: &[u8],
    expected: Command,
) -> Result<Genlmsghdr<Command, T>, DecodeError> {
    let top =
        Genlmsghdr::<Command, T>::from_bytes_with_input(&mut Cursor::new(message), message.len())
            .map_err(DecodeError::Shape)?;
    if *top.cmd() == expected {
        Ok(top)
    } else {
        Err(DecodeError::Command(*top.cmd()))
    }
}

/// The attributes of one item. Those that are not asked for are not looked at,
/// so that a newer kernel's do no harm.
struct Attributes<'a, T>(GenlAttrHandle<'a, T>);

impl<T: NlAttrType> Attributes<'static, T> {
    fn inside(
        top: &Genlmsghdr<Command, CommandAttribute>,
        outer: CommandAttribute,
        name: &'static str,
    ) -> Result<Self, DecodeError> {
        let outer = top
            .attrs()
            .get_attr_handle()
            .get_attribute(outer)
            .map(|attribute| attribute.nla_payload().clone())
            .ok_or(DecodeError::Missing(name))?;
        Self::parse(outer.as_ref())
    }

    fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        GenlBuffer::<T, Buffer>::from_bytes_with_input(&mut Cursor::new(bytes), bytes.len())
            .map(|attributes| Self(GenlAttrHandle::new(attributes)))
            .map_err(DecodeError::Shape)
    }
}

impl<T: NlAttrType> Attributes<'_, T> {
    fn get(&self, kind: T) -> Option<&[u8]> {
        let attribute = self.0.get_attribute(kind)?;
        Some(attribute.payload().as_ref())
    }

    fn required(&self, kind: T, name: &'static str) -> Result<&[u8], DecodeError> {
        self.get(kind).ok_or(DecodeError::Missing(name))
    }

    fn u16(&self, kind: T, name: &'static str) -> Result<u16, DecodeError> {
        let bytes = self.required(kind, name)?;
        u16_of(bytes).ok_or_else(|| value_error(name, bytes))
    }

    fn u32(&self, kind: T, name: &'static str) -> Result<u32, DecodeError> {
        let bytes = self.required(kind, name)?;
        u32_of(bytes).ok_or_else(|| value_error(name, bytes))
    }

    /// A number that a request does not carry and that every dump does; absent it is 0.
    fn count(&self, kind: T, name: &'static str) -> Result<u32, DecodeError> {
        match self.get(kind) {
            Some(bytes) => u32_of(bytes).ok_or_else(|| value_error(name, bytes)),
            None => Ok(0),
        }
    }

    /// The wide counters where the kernel has them, else the narrow ones.
    fn statistics(&self, wide: T, narrow: T) -> Result<Statistics, DecodeError> {
        let Some(bytes) = self.get(wide).or_else(|| self.get(narrow)) else {
            return Ok(Statistics::default());
        };
        let counters = Attributes::<StatsAttribute>::parse(bytes)?;
        Ok(Statistics {
            connections: counters.counter(StatsAttribute::Connections, "CONNS")?,
            incoming_packets: counters.counter(StatsAttribute::IncomingPackets, "INPKTS")?,
            outgoing_packets: counters.counter(StatsAttribute::OutgoingPackets, "OUTPKTS")?,
            incoming_bytes: counters.counter(StatsAttribute::IncomingBytes, "INBYTES")?,
            outgoing_bytes: counters.counter(StatsAttribute::OutgoingBytes, "OUTBYTES")?,
        })
    }
}

impl Attributes<'_, StatsAttribute> {
    /// A u32 or a u64: the same attribute is the one in `STATS` and the other in `STATS64`.
    fn counter(&self, kind: StatsAttribute, name: &'static str) -> Result<u64, DecodeError> {
        let bytes = self.required(kind, name)?;
        u32_of(bytes)
            .map(u64::from)
            .or_else(|| bytes.try_into().ok().map(u64::from_ne_bytes))
            .ok_or_else(|| value_error(name, bytes))
    }
}

fn value_error(name: &'static str, bytes: &[u8]) -> DecodeError {
    DecodeError::Value {
        name,
        bytes: bytes.into(),
    }
}

fn u16_of(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_of(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

/// The text up to its final NUL. (neli's own decoding of a `String` cuts the
/// last byte off whatever it is.)
fn text(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(bytes).ok()
}

fn family(number: u16, name: &'static str) -> Result<Family, DecodeError> {
    match number {
        uapi::AF_INET => Ok(Family::Ipv4),
        uapi::AF_INET6 => Ok(Family::Ipv6),
        _ => Err(value_error(name, &number.to_ne_bytes())),
    }
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
