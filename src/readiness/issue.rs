//! The reasons why a real server is not ready, and their fixes.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::model::{Diagnosis, Family, LocalAddress, Protocol};

/// A reason why a real server cannot serve a virtual service, or why it takes
/// packets that are for the director.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadinessIssue {
    /// The VIP is on no interface.
    Vip {
        vip: IpAddr,
        /// The configured interface of VIPs.
        interface: String,
    },
    /// The VIP is on an interface that answers ARP for it.
    OnLan {
        vip: IpAddr,
        prefix_length: u8,
        interface: String,
    },
    /// The VIP is on lo with the whole network of this host's LAN.
    WidePrefix {
        vip: IpAddr,
        prefix_length: u8,
        interface: String,
    },
    /// This host answers ARP requests for the VIP.
    ArpIgnore {
        interface: String,
        /// What holds there.
        value: u32,
    },
    /// This host names the VIP as its own.
    ArpAnnounce {
        interface: String,
        /// What holds there.
        value: u32,
    },
    /// Nothing listens on VIP and port.
    Listener {
        protocol: Protocol,
        address: SocketAddr,
        /// Where that port is listened on.
        elsewhere: BTreeSet<IpAddr>,
    },
    /// The kernel does not tell which sockets listen.
    ListenersUnknown { protocol: Protocol },
    /// A connection from this host itself failed.
    SelfTest {
        address: SocketAddr,
        failure: String,
    },
}

impl ReadinessIssue {
    /// The director's diagnosis of this issue; `None` if there is no single one.
    pub(crate) fn diagnosis(&self) -> Option<Diagnosis> {
        match self {
            Self::Vip { .. } => Some(Diagnosis::VipMissing),
            Self::OnLan { .. } | Self::ArpIgnore { .. } | Self::ArpAnnounce { .. } => {
                Some(Diagnosis::ArpConflict)
            }
            Self::Listener { elsewhere, .. } if elsewhere.is_empty() => {
                Some(Diagnosis::ApplicationDown)
            }
            Self::Listener { .. } => Some(Diagnosis::NotListeningOnVip),
            Self::SelfTest { .. } => Some(Diagnosis::ApplicationDown),
            Self::WidePrefix { .. } | Self::ListenersUnknown { .. } => None,
        }
    }

    /// The command that fixes the issue, to be run on this host.
    pub(crate) fn fix(&self) -> String {
        match self {
            Self::Vip { vip, interface } => LocalAddress {
                interface: interface.clone(),
                address: *vip,
            }
            .command(),
            Self::OnLan {
                vip,
                prefix_length,
                interface,
            } => format!("ip address del {vip}/{prefix_length} dev {interface}"),
            Self::WidePrefix {
                vip,
                prefix_length,
                interface,
            } => host_prefix_command(*vip, *prefix_length, interface),
            Self::ArpIgnore { interface, value } => sysctl("arp_ignore", 1, interface, *value),
            Self::ArpAnnounce { interface, value } => sysctl("arp_announce", 2, interface, *value),
            Self::Listener {
                protocol, address, ..
            } => {
                let sockets = match protocol {
                    Protocol::Tcp => "-ltnp",
                    Protocol::Udp => "-lunp",
                    Protocol::Sctp => "-lSnp",
                };
                let of_port = match address.port() {
                    0 => String::new(),
                    port => format!(" 'sport = :{port}'"),
                };
                format!(
                    "let the server listen on {address} or on all addresses; what listens now: \
                     `ss {sockets}{of_port}`"
                )
            }
            Self::ListenersUnknown { protocol } => format!("modprobe {protocol}_diag"),
            Self::SelfTest { address, .. } => {
                let port = address.port();
                format!(
                    "see whether the server takes connections (`ss -ltn 'sport = :{port}'`: \
                     Recv-Q beside Send-Q, and its log), and what a firewall here refuses (`nft \
                     list ruleset`); `nc -vz {} {port}` tries it again",
                    address.ip()
                )
            }
        }
    }
}

/// The command that leaves a VIP on the interface with the prefix of one host,
/// whether or not that address exists already.
pub(crate) fn host_prefix_command(vip: IpAddr, prefix_length: u8, interface: &str) -> String {
    let bits = Family::from(vip).host_prefix_length();
    format!(
        "ip address replace {vip}/{bits} dev {interface} && \
         ip address del {vip}/{prefix_length} dev {interface}"
    )
}

/// `all` raises what is too low; what is too high on its own has to be lowered.
fn sysctl(key: &str, wanted: u32, interface: &str, value: u32) -> String {
    if value < wanted {
        format!("sysctl -w net.ipv4.conf.all.{key}={wanted}")
    } else {
        format!(
            "sysctl -w net.ipv4.conf.all.{key}={wanted} \
             net.ipv4.conf.{}.{key}={wanted}",
            interface.replace('.', "/")
        )
    }
}

impl fmt::Display for ReadinessIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vip { vip, interface } => {
                write!(
                    f,
                    "the VIP {vip} is on no interface, and belongs on {interface}"
                )
            }
            Self::OnLan { vip, interface, .. } => {
                write!(f, "the VIP {vip} is on {interface}, which answers for it")
            }
            Self::WidePrefix {
                vip,
                prefix_length,
                interface,
            } => write!(
                f,
                "the VIP {vip} is on {interface} as /{prefix_length}, so that this host takes its \
                 whole LAN for itself and answers nobody there"
            ),
            Self::ArpIgnore { interface, value } => write!(
                f,
                "arp_ignore is {value} on {interface}: this host answers ARP for the VIP"
            ),
            Self::ArpAnnounce { interface, value } => write!(
                f,
                "arp_announce is {value} on {interface}: this host announces the VIP as its own"
            ),
            Self::Listener {
                protocol,
                address,
                elsewhere,
            } => {
                write!(f, "nothing listens on {protocol} {address}")?;
                let mut before = ", only on ";
                for elsewhere in elsewhere {
                    write!(f, "{before}{}", SocketAddr::new(*elsewhere, address.port()))?;
                    before = ", ";
                }
                Ok(())
            }
            Self::ListenersUnknown { protocol } => {
                write!(
                    f,
                    "this kernel does not tell which {protocol} sockets listen"
                )
            }
            Self::SelfTest { address, failure } => {
                write!(
                    f,
                    "a connection from this host to {address} failed: {failure}"
                )
            }
        }
    }
}
