//! Requests to IPVS.

use std::net::IpAddr;

use neli::consts::genl::NlAttrType;
use neli::err::BuilderError;
use neli::genl::{AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, Nlattr, NlattrBuilder};
use neli::types::{Buffer, GenlBuffer};
use neli::{Size, ToBytes};

use crate::kernel::ipvs::uapi::{
    self, Command, CommandAttribute, DestinationAttribute, ServiceAttribute,
};
use crate::model::{
    Checksum, Destination, Family, Forwarding, Protocol, RealServerKey, Service, ServiceFlags,
    ServiceKey, Timeout, Tunnel,
};
use crate::plan::Step;

/// A request to IPVS.
pub(in crate::kernel::ipvs) type Message = Genlmsghdr<Command, CommandAttribute>;

type Attribute<T> = Nlattr<T, Buffer>;

/// The request that carries out a step; `None` if the step does not concern the table.
pub(in crate::kernel::ipvs) fn write(step: &Step) -> Option<Result<Message, BuilderError>> {
    Some(match step {
        Step::AddService { key, service } => service_message(Command::NewService, key, service),
        Step::SetService { key, to, .. } => service_message(Command::SetService, key, to),
        Step::RemoveService { key } => {
            named_service(key).and_then(|service| message(Command::DelService, [service]))
        }
        Step::AddDestination {
            service,
            key,
            destination,
        } => destination_message(
            Command::NewDest,
            service,
            full_destination(key, destination),
        ),
        Step::SetDestination {
            service, key, to, ..
        } => destination_message(Command::SetDest, service, full_destination(key, to)),
        Step::RemoveDestination { service, key } => {
            let named =
                destination_key(key).and_then(|key| nested(CommandAttribute::Destination, key));
            destination_message(Command::DelDest, service, named)
        }
        Step::SetTimeout { timeout, to, .. } | Step::RestoreTimeout { timeout, to, .. } => {
            let kind = match timeout {
                Timeout::Tcp => CommandAttribute::TimeoutTcp,
                Timeout::TcpFin => CommandAttribute::TimeoutTcpFin,
                Timeout::Udp => CommandAttribute::TimeoutUdp,
            };
            attribute(kind, *to).and_then(|timeout| message(Command::SetConfig, [timeout]))
        }
        Step::SetSysctl { .. }
        | Step::RestoreSysctl { .. }
        | Step::AddAddress(_)
        | Step::RemoveAddress(_) => return None,
    })
}

fn service_message(
    command: Command,
    key: &ServiceKey,
    service: &Service,
) -> Result<Message, BuilderError> {
    message(command, [full_service(key, service)?])
}

fn destination_message(
    command: Command,
    service: &ServiceKey,
    destination: Result<Attribute<CommandAttribute>, BuilderError>,
) -> Result<Message, BuilderError> {
    message(command, [named_service(service)?, destination?])
}

/// The request for a dump of all virtual services.
pub(in crate::kernel::ipvs) fn get_services() -> Result<Message, BuilderError> {
    message(Command::GetService, [])
}

/// The request for one virtual service.
pub(in crate::kernel::ipvs) fn get_service(key: &ServiceKey) -> Result<Message, BuilderError> {
    message(Command::GetService, [named_service(key)?])
}

/// The request for a dump of the real servers of one virtual service.
pub(in crate::kernel::ipvs) fn get_destinations(
    service: &ServiceKey,
) -> Result<Message, BuilderError> {
    message(Command::GetDest, [named_service(service)?])
}

/// The request for the time-outs.
pub(in crate::kernel::ipvs) fn get_timeouts() -> Result<Message, BuilderError> {
    message(Command::GetConfig, [])
}

/// The request for a dump of the daemons that keep directors alike.
pub(in crate::kernel::ipvs) fn get_daemons() -> Result<Message, BuilderError> {
    message(Command::GetDaemon, [])
}

/// The request for the version and the size of the connection table.
pub(in crate::kernel::ipvs) fn get_info() -> Result<Message, BuilderError> {
    message(Command::GetInfo, [])
}

fn message<const N: usize>(
    command: Command,
    attributes: [Attribute<CommandAttribute>; N],
) -> Result<Message, BuilderError> {
    let message = GenlmsghdrBuilder::default()
        .cmd(command)
        .version(uapi::VERSION)
        .attrs(attributes.into_iter().collect())
        .build()?;
    Ok(message)
}

fn named_service(key: &ServiceKey) -> Result<Attribute<CommandAttribute>, BuilderError> {
    nested(CommandAttribute::Service, service_key(key)?)
}

fn service_key(key: &ServiceKey) -> Result<Vec<Attribute<ServiceAttribute>>, BuilderError> {
    let family = attribute(ServiceAttribute::AddressFamily, family(key.family()))?;
    match key {
        ServiceKey::Address {
            protocol: transport,
            address,
        } => Ok(vec![
            family,
            attribute(ServiceAttribute::Protocol, protocol(*transport))?,
            attribute(ServiceAttribute::Address, address_bytes(address.ip()))?,
            attribute(ServiceAttribute::Port, address.port().to_be())?,
        ]),
        ServiceKey::Fwmark { mark, .. } => Ok(vec![
            family,
            attribute(ServiceAttribute::Fwmark, mark.get())?,
        ]),
    }
}

fn full_service(
    key: &ServiceKey,
    service: &Service,
) -> Result<Attribute<CommandAttribute>, BuilderError> {
    let Service {
        scheduler,
        flags,
        persistence,
    } = service;
    let mut attributes = service_key(key)?;
    attributes.push(attribute(ServiceAttribute::Scheduler, scheduler.as_str())?);
    attributes.push(attribute(
        ServiceAttribute::Flags,
        flag_bytes(*flags, persistence.is_some()),
    )?);
    // Without persistence the kernel requires the two all the same, and
    // checks an IPv6 prefix length: what ipvsadm sends then is a single host.
    let (timeout, netmask) = match persistence {
        Some(persistence) => (persistence.timeout_seconds, persistence.netmask),
        None => match key.family() {
            Family::Ipv4 => (0, u32::MAX),
            Family::Ipv6 => (0, 128),
        },
    };
    let netmask = match key.family() {
        Family::Ipv4 => netmask.to_be(),
        Family::Ipv6 => netmask,
    };
    attributes.push(attribute(ServiceAttribute::Timeout, timeout)?);
    attributes.push(attribute(ServiceAttribute::Netmask, netmask)?);
    if let Some(engine) = persistence.as_ref().and_then(|p| p.engine.as_deref()) {
        attributes.push(attribute(ServiceAttribute::Engine, engine)?);
    }
    nested(CommandAttribute::Service, attributes)
}

/// `struct ip_vs_flags`, with a mask that sets every flag to what is given.
fn flag_bytes(flags: ServiceFlags, persistent: bool) -> [u8; 8] {
    let persistent = if persistent {
        uapi::SVC_F_PERSISTENT
    } else {
        0
    };
    let [f0, f1, f2, f3] = (flags.bits() | persistent).to_ne_bytes();
    let [m0, m1, m2, m3] = u32::MAX.to_ne_bytes();
    [f0, f1, f2, f3, m0, m1, m2, m3]
}

fn destination_key(
    RealServerKey(address): &RealServerKey,
) -> Result<Vec<Attribute<DestinationAttribute>>, BuilderError> {
    Ok(vec![
        attribute(
            DestinationAttribute::AddressFamily,
            family(address.ip().into()),
        )?,
        attribute(DestinationAttribute::Address, address_bytes(address.ip()))?,
        attribute(DestinationAttribute::Port, address.port().to_be())?,
    ])
}

fn full_destination(
    key: &RealServerKey,
    destination: &Destination,
) -> Result<Attribute<CommandAttribute>, BuilderError> {
    let Destination {
        forwarding,
        weight,
        upper_threshold,
        lower_threshold,
    } = *destination;
    let mut attributes = destination_key(key)?;
    for (kind, value) in [
        (
            DestinationAttribute::ForwardingMethod,
            forwarding_method(forwarding),
        ),
        (DestinationAttribute::Weight, weight.get()),
        (DestinationAttribute::UpperThreshold, upper_threshold),
        (DestinationAttribute::LowerThreshold, lower_threshold),
    ] {
        attributes.push(attribute(kind, value)?);
    }
    if let Forwarding::Tunnel(tunnel) = forwarding {
        attributes.extend(tunnel_attributes(tunnel)?);
    }
    nested(CommandAttribute::Destination, attributes)
}

/// None for IP in IP: it is what the kernel takes a tunnel without them for,
/// and all that one older than Linux 5.3 knows.
fn tunnel_attributes(tunnel: Tunnel) -> Result<Vec<Attribute<DestinationAttribute>>, BuilderError> {
    let kind = |kind: u8| attribute(DestinationAttribute::TunnelType, kind);
    let flags = |flags: u16| attribute(DestinationAttribute::TunnelFlags, flags);
    match tunnel {
        Tunnel::Ipip => Ok(Vec::new()),
        Tunnel::Gue { port, checksum } => Ok(vec![
            kind(uapi::TUNNEL_TYPE_GUE)?,
            attribute(DestinationAttribute::TunnelPort, port.get().to_be())?,
            flags(match checksum {
                Checksum::None => 0,
                Checksum::Sum => uapi::TUNNEL_FLAG_SUM,
                Checksum::Remote => uapi::TUNNEL_FLAG_REMOTE,
            })?,
        ]),
        Tunnel::Gre { checksum } => Ok(vec![
            kind(uapi::TUNNEL_TYPE_GRE)?,
            flags(if checksum { uapi::TUNNEL_FLAG_SUM } else { 0 })?,
        ]),
    }
}

fn attribute<T, P>(kind: T, payload: P) -> Result<Attribute<T>, BuilderError>
where
    T: NlAttrType + Size,
    P: Size + ToBytes,
{
    let kind = AttrTypeBuilder::default().nla_type(kind).build()?;
    let attribute = NlattrBuilder::default()
        .nla_type(kind)
        .nla_payload(payload)
        .build()?;
    Ok(attribute)
}

fn nested<T>(
    kind: CommandAttribute,
    inner: Vec<Attribute<T>>,
) -> Result<Attribute<CommandAttribute>, BuilderError>
where
    T: NlAttrType + Size,
{
    let kind = AttrTypeBuilder::default()
        .nla_type(kind)
        .nla_nested(true)
        .build()?;
    let attribute = NlattrBuilder::default()
        .nla_type(kind)
        .nla_payload(inner.into_iter().collect::<GenlBuffer<_, _>>())
        .build()?;
    Ok(attribute)
}

const fn family(family: Family) -> u16 {
    match family {
        Family::Ipv4 => uapi::AF_INET,
        Family::Ipv6 => uapi::AF_INET6,
    }
}

const fn protocol(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => uapi::IPPROTO_TCP,
        Protocol::Udp => uapi::IPPROTO_UDP,
        Protocol::Sctp => uapi::IPPROTO_SCTP,
    }
}

const fn forwarding_method(forwarding: Forwarding) -> u32 {
    match forwarding {
        Forwarding::Masquerade => uapi::CONN_F_MASQ,
        Forwarding::Local => uapi::CONN_F_LOCALNODE,
        Forwarding::Tunnel(_) => uapi::CONN_F_TUNNEL,
        Forwarding::Direct => uapi::CONN_F_DROUTE,
    }
}

/// `union nf_inet_addr`.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(address) => address.octets(),
    }
}
