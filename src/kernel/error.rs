use std::time::Duration;

use thiserror::Error;

use super::sysctl::SysctlFault;

/// An operation that the kernel did not carry out.
#[derive(Debug, Clone, Error)]
#[error("cannot {operation}")]
pub(crate) struct KernelError {
    /// What was tried, and on what: `add virtual service tcp 192.168.11.200:80`.
    pub(crate) operation: String,
    /// Why it failed.
    #[source]
    pub(crate) cause: Cause,
}

impl KernelError {
    pub(crate) fn new(operation: impl Into<String>, cause: Cause) -> Self {
        Self {
            operation: operation.into(),
            cause,
        }
    }
}

/// Why the kernel did not carry an operation out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Cause {
    /// The kernel has no IPVS.
    #[error("this kernel has no IPVS: run `modprobe ip_vs`")]
    NoIpvs,
    /// The scheduler's module is missing.
    #[error("this kernel has no scheduler `{0}`: run `modprobe ip_vs_{0}`, or configure another")]
    NoScheduler(String),
    /// The scheduler's module or the persistence engine's is missing; the
    /// kernel does not say which.
    #[error(
        "this kernel has no scheduler `{0}` or no persistence engine `{1}`: \
         run `modprobe ip_vs_{0}` and `modprobe ip_vs_pe_{1}`, or configure others"
    )]
    NoSchedulerOrEngine(String, String),
    /// The capability is missing.
    #[error(
        "permission denied: this needs CAP_NET_ADMIN in the initial user namespace; run as root"
    )]
    NotPermitted,
    /// There is no such interface.
    #[error(
        "there is no interface `{0}`: see `ip link`, and correct `interface` in the configuration"
    )]
    NoInterface(String),
    /// The kernel takes the name, and calls the interface otherwise everywhere.
    #[error("`{given}` is another name of interface `{name}`: write `{name}` in the configuration")]
    OtherName {
        /// What was asked for.
        given: String,
        /// What the kernel calls it.
        name: String,
    },
    /// IPv6 is off on the interface.
    #[error("IPv6 is off on interface `{0}`: set net.ipv6.conf.{0}.disable_ipv6 to 0")]
    Ipv6Disabled(String),
    /// It is there already.
    #[error("it exists already")]
    Exists,
    /// It is not there.
    #[error("it does not exist")]
    Missing,
    /// Any other error number of the kernel's.
    #[error("the kernel answered: {}", std::io::Error::from_raw_os_error(*.0))]
    Errno(i32),
    /// A kernel parameter cannot have its value here.
    #[error(transparent)]
    Parameter(#[from] SysctlFault),
    /// A file of `/proc/sys` could not be read or written.
    #[error("{0}")]
    File(String),
    /// The kernel did not answer in time.
    #[error("the kernel did not answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The netlink socket failed; it is opened again for the next operation.
    #[error("the netlink socket failed: {0}")]
    Transport(String),
    /// The answer was cut short, or changed while it was read: it is not to be trusted.
    #[error("the kernel's answer was cut short: {0}")]
    Truncated(String),
    /// The request does not fit into a netlink message.
    #[error("the request cannot be encoded: {0}")]
    Unencodable(String),
    /// The answer does not mean anything to this codec.
    #[error("the kernel's answer cannot be understood: {0}")]
    Undecodable(String),
}

impl Cause {
    /// Of a step for an address or a sysctl, given to the writer of the IPVS table.
    pub(super) fn not_of_table() -> Self {
        Self::Unencodable("the step does not concern the IPVS table".to_owned())
    }

    /// Whether trying again cannot help before someone changes this machine.
    pub(crate) fn is_for_good(&self) -> bool {
        match self {
            Self::NoIpvs
            | Self::NotPermitted
            | Self::NoInterface(_)
            | Self::OtherName { .. }
            | Self::Parameter(SysctlFault::NotPermitted) => true,
            Self::NoScheduler(_)
            | Self::NoSchedulerOrEngine(..)
            | Self::Ipv6Disabled(_)
            | Self::Exists
            | Self::Missing
            | Self::Errno(_)
            | Self::Parameter(_)
            | Self::File(_)
            | Self::Timeout(_)
            | Self::Transport(_)
            | Self::Truncated(_)
            | Self::Unencodable(_)
            | Self::Undecodable(_) => false,
        }
    }

    /// Whether the next try will fail in the same way, unless somebody does
    /// what the text says: there is nothing new to say of it until then.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::NoIpvs
            | Self::NotPermitted
            | Self::NoInterface(_)
            | Self::OtherName { .. }
            | Self::NoScheduler(_)
            | Self::NoSchedulerOrEngine(..)
            | Self::Ipv6Disabled(_)
            | Self::Parameter(_) => true,
            Self::Exists
            | Self::Missing
            | Self::Errno(_)
            | Self::File(_)
            | Self::Timeout(_)
            | Self::Transport(_)
            | Self::Truncated(_)
            | Self::Unencodable(_)
            | Self::Undecodable(_) => false,
        }
    }
}
