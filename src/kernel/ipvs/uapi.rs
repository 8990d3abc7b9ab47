//! The numbers of `linux/ip_vs.h` that this agent uses.

use neli::consts::genl::{Cmd, NlAttrType};
use neli::neli_enum;

/// `IPVS_GENL_NAME`.
pub(super) const FAMILY: &str = "IPVS";
/// `IPVS_GENL_VERSION`.
pub(super) const VERSION: u8 = 1;

/// `AF_INET`, as it stands in `IPVS_SVC_ATTR_AF` and `IPVS_DEST_ATTR_ADDR_FAMILY`.
pub(super) const AF_INET: u16 = 2;
/// `AF_INET6`.
pub(super) const AF_INET6: u16 = 10;

/// `IPPROTO_TCP` of `netinet/in.h`.
pub(super) const IPPROTO_TCP: u16 = 6;
/// `IPPROTO_UDP`.
pub(super) const IPPROTO_UDP: u16 = 17;
/// `IPPROTO_SCTP`.
pub(super) const IPPROTO_SCTP: u16 = 132;

/// `IP_VS_SVC_F_PERSISTENT`: clients are kept on their real server.
pub(super) const SVC_F_PERSISTENT: u32 = 0x1;

/// `IP_VS_CONN_F_FWD_MASK`: the bits of `IPVS_DEST_ATTR_FWD_METHOD` that name the method.
pub(super) const CONN_F_FWD_MASK: u32 = 0x7;
/// `IP_VS_CONN_F_MASQ`.
pub(super) const CONN_F_MASQ: u32 = 0;
/// `IP_VS_CONN_F_LOCALNODE`.
pub(super) const CONN_F_LOCALNODE: u32 = 1;
/// `IP_VS_CONN_F_TUNNEL`.
pub(super) const CONN_F_TUNNEL: u32 = 2;
/// `IP_VS_CONN_F_DROUTE`.
pub(super) const CONN_F_DROUTE: u32 = 3;

/// `IP_VS_CONN_F_TUNNEL_TYPE_IPIP`, as it stands in `IPVS_DEST_ATTR_TUN_TYPE`.
pub(super) const TUNNEL_TYPE_IPIP: u8 = 0;
/// `IP_VS_CONN_F_TUNNEL_TYPE_GUE`.
pub(super) const TUNNEL_TYPE_GUE: u8 = 1;
/// `IP_VS_CONN_F_TUNNEL_TYPE_GRE`.
pub(super) const TUNNEL_TYPE_GRE: u8 = 2;

/// `IP_VS_TUNNEL_ENCAP_FLAG_CSUM`, in `IPVS_DEST_ATTR_TUN_FLAGS`.
pub(super) const TUNNEL_FLAG_SUM: u16 = 1;
/// `IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM`.
pub(super) const TUNNEL_FLAG_REMOTE: u16 = 2;

/// `IPVS_CMD_*`: the commands. `FLUSH`, which empties the whole table, is left
/// out: this agent owns only what is configured.
#[neli_enum(serialized_type = "u8")]
pub(super) enum Command {
    /// `IPVS_CMD_NEW_SERVICE`; also the command of every item of a dump of services.
    NewService = 1,
    /// `IPVS_CMD_SET_SERVICE`.
    SetService = 2,
    /// `IPVS_CMD_DEL_SERVICE`.
    DelService = 3,
    /// `IPVS_CMD_GET_SERVICE`.
    GetService = 4,
    /// `IPVS_CMD_NEW_DEST`; also the command of every item of a dump of destinations.
    NewDest = 5,
    /// `IPVS_CMD_SET_DEST`.
    SetDest = 6,
    /// `IPVS_CMD_DEL_DEST`.
    DelDest = 7,
    /// `IPVS_CMD_GET_DEST`.
    GetDest = 8,
    /// `IPVS_CMD_NEW_DAEMON`, the command of every item of a dump of daemons.
    NewDaemon = 9,
    /// `IPVS_CMD_GET_DAEMON`.
    GetDaemon = 11,
    /// `IPVS_CMD_SET_CONFIG`; also the command of the answer to `GET_CONFIG`.
    SetConfig = 12,
    /// `IPVS_CMD_GET_CONFIG`.
    GetConfig = 13,
    /// `IPVS_CMD_SET_INFO`, the answer to `GET_INFO`.
    SetInfo = 14,
    /// `IPVS_CMD_GET_INFO`.
    GetInfo = 15,
}

impl Cmd for Command {}

/// `IPVS_CMD_ATTR_*`: the attributes at the top of a command.
#[neli_enum(serialized_type = "u16")]
pub(super) enum CommandAttribute {
    /// `IPVS_CMD_ATTR_SERVICE`, nested.
    Service = 1,
    /// `IPVS_CMD_ATTR_DEST`, nested.
    Destination = 2,
    /// `IPVS_CMD_ATTR_DAEMON`, nested.
    Daemon = 3,
    /// `IPVS_CMD_ATTR_TIMEOUT_TCP`: u32, seconds.
    TimeoutTcp = 4,
    /// `IPVS_CMD_ATTR_TIMEOUT_TCP_FIN`: u32, seconds.
    TimeoutTcpFin = 5,
    /// `IPVS_CMD_ATTR_TIMEOUT_UDP`: u32, seconds.
    TimeoutUdp = 6,
}

impl NlAttrType for CommandAttribute {}

/// `IPVS_SVC_ATTR_*`: the attributes of a virtual service.
#[neli_enum(serialized_type = "u16")]
pub(super) enum ServiceAttribute {
    /// `IPVS_SVC_ATTR_AF`: u16.
    AddressFamily = 1,
    /// `IPVS_SVC_ATTR_PROTOCOL`: u16.
    Protocol = 2,
    /// `IPVS_SVC_ATTR_ADDR`: 16 bytes, an IPv4 address in the first four.
    Address = 3,
    /// `IPVS_SVC_ATTR_PORT`: u16 in network byte order.
    Port = 4,
    /// `IPVS_SVC_ATTR_FWMARK`: u32.
    Fwmark = 5,
    /// `IPVS_SVC_ATTR_SCHED_NAME`: text with a final NUL.
    Scheduler = 6,
    /// `IPVS_SVC_ATTR_FLAGS`: `struct ip_vs_flags`, flags and mask, u32 each.
    Flags = 7,
    /// `IPVS_SVC_ATTR_TIMEOUT`: u32, seconds of persistence.
    Timeout = 8,
    /// `IPVS_SVC_ATTR_NETMASK`: u32; for IPv4 a mask in network byte order,
    /// for IPv6 a prefix length in host byte order.
    Netmask = 9,
    /// `IPVS_SVC_ATTR_STATS`, nested.
    Stats = 10,
    /// `IPVS_SVC_ATTR_PE_NAME`: text with a final NUL.
    Engine = 11,
    /// `IPVS_SVC_ATTR_STATS64`, nested; since Linux 4.1.
    Stats64 = 12,
}

impl NlAttrType for ServiceAttribute {}

/// `IPVS_DEST_ATTR_*`: the attributes of a destination, which is a real
/// server as one virtual service knows it.
#[neli_enum(serialized_type = "u16")]
pub(super) enum DestinationAttribute {
    /// `IPVS_DEST_ATTR_ADDR`: 16 bytes, an IPv4 address in the first four.
    Address = 1,
    /// `IPVS_DEST_ATTR_PORT`: u16 in network byte order.
    Port = 2,
    /// `IPVS_DEST_ATTR_FWD_METHOD`: u32.
    ForwardingMethod = 3,
    /// `IPVS_DEST_ATTR_WEIGHT`: u32.
    Weight = 4,
    /// `IPVS_DEST_ATTR_U_THRESH`: u32.
    UpperThreshold = 5,
    /// `IPVS_DEST_ATTR_L_THRESH`: u32.
    LowerThreshold = 6,
    /// `IPVS_DEST_ATTR_ACTIVE_CONNS`: u32.
    ActiveConnections = 7,
    /// `IPVS_DEST_ATTR_INACT_CONNS`: u32.
    InactiveConnections = 8,
    /// `IPVS_DEST_ATTR_PERSIST_CONNS`: u32.
    PersistentConnections = 9,
    /// `IPVS_DEST_ATTR_STATS`, nested.
    Stats = 10,
    /// `IPVS_DEST_ATTR_ADDR_FAMILY`: u16; since Linux 3.18, before which it
    /// was always the service's.
    AddressFamily = 11,
    /// `IPVS_DEST_ATTR_STATS64`, nested; since Linux 4.1.
    Stats64 = 12,
    /// `IPVS_DEST_ATTR_TUN_TYPE`: u8; since Linux 5.3, before which it was
    /// always IP in IP.
    TunnelType = 13,
    /// `IPVS_DEST_ATTR_TUN_PORT`: u16 in network byte order.
    TunnelPort = 14,
    /// `IPVS_DEST_ATTR_TUN_FLAGS`: u16.
    TunnelFlags = 15,
}

impl NlAttrType for DestinationAttribute {}

/// `IPVS_DAEMON_ATTR_*`: the attributes of a daemon that keeps the
/// connections of two directors alike.
#[neli_enum(serialized_type = "u16")]
pub(super) enum DaemonAttribute {
    /// `IPVS_DAEMON_ATTR_STATE`: u32.
    State = 1,
    /// `IPVS_DAEMON_ATTR_MCAST_IFN`: text with a final NUL.
    Interface = 2,
    /// `IPVS_DAEMON_ATTR_SYNC_ID`: u32.
    SyncId = 3,
}

impl NlAttrType for DaemonAttribute {}

/// `IP_VS_STATE_MASTER`: the daemon sends the connections of this director.
pub(super) const STATE_MASTER: u32 = 1;
/// `IP_VS_STATE_BACKUP`: the daemon takes the connections of another director.
pub(super) const STATE_BACKUP: u32 = 2;

/// `IPVS_STATS_ATTR_*`: counters. In `STATS` the first three are u32 and the
/// bytes u64, in `STATS64` all are u64.
#[neli_enum(serialized_type = "u16")]
pub(super) enum StatsAttribute {
    /// `IPVS_STATS_ATTR_CONNS`.
    Connections = 1,
    /// `IPVS_STATS_ATTR_INPKTS`.
    IncomingPackets = 2,
    /// `IPVS_STATS_ATTR_OUTPKTS`.
    OutgoingPackets = 3,
    /// `IPVS_STATS_ATTR_INBYTES`.
    IncomingBytes = 4,
    /// `IPVS_STATS_ATTR_OUTBYTES`.
    OutgoingBytes = 5,
}

impl NlAttrType for StatsAttribute {}

/// `IPVS_INFO_ATTR_*`: the attributes at the top of the answer to `GET_INFO`.
#[neli_enum(serialized_type = "u16")]
pub(super) enum InfoAttribute {
    /// `IPVS_INFO_ATTR_VERSION`: u32, one byte for each of major, minor, patch.
    Version = 1,
    /// `IPVS_INFO_ATTR_CONN_TAB_SIZE`: u32, buckets.
    ConnectionTableSize = 2,
}

impl NlAttrType for InfoAttribute {}
