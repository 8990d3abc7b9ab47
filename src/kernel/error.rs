//! Errors of the kernel.

use std::time::Duration;

use thiserror::Error;

/// A failed operation on the kernel.
#[derive(Debug, Clone, Error)]
#[error("cannot {operation}")]
pub(crate) struct KernelError {
    /// The operation with its object: `add virtual service tcp 192.168.11.200:80`.
    pub(crate) operation: String,
    /// The cause of the failure.
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

/// The cause of a failed operation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Cause {
    /// The kernel has no IPVS.
    #[error("this kernel has no IPVS: run `modprobe ip_vs`")]
    NoIpvs,
    /// The scheduler's module is missing.
    #[error("this kernel has no scheduler `{0}`: run `modprobe ip_vs_{0}`, or configure another")]
    NoScheduler(String),
    /// The module of the scheduler or of the persistence engine is missing; the
    /// kernel does not report which.
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
    /// The kernel accepts the name for this request, but uses another name elsewhere.
    #[error("`{given}` is another name of interface `{name}`: write `{name}` in the configuration")]
    OtherName {
        /// The requested name.
        given: String,
        /// The name in the kernel.
        name: String,
    },
    /// IPv6 is off on the interface.
    #[error("IPv6 is off on interface `{0}`: set net.ipv6.conf.{0}.disable_ipv6 to 0")]
    Ipv6Disabled(String),
    /// The object is there already.
    #[error("it exists already")]
    Exists,
    /// The object is not there.
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
    /// The answer was truncated, or changed while it was read, and cannot be trusted.
    #[error("the kernel's answer was cut short: {0}")]
    Truncated(String),
    /// The request does not fit into a netlink message.
    #[error("the request cannot be encoded: {0}")]
    Unencodable(String),
    /// The codec cannot decode the answer.
    #[error("the kernel's answer cannot be understood: {0}")]
    Undecodable(String),
}

/// Why a parameter cannot have its value on this machine. Another attempt fails in
/// the same way.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SysctlFault {
    /// `/proc/sys` is mounted read-only (EROFS).
    #[error(
        "/proc/sys is read-only for the agent; add `ReadWritePaths=/proc/sys/{0}` to its systemd unit \
         as in deploy/, or set the parameter on the host with `sysctl -w`, from where a container has it"
    )]
    ReadOnly(String),
    /// EPERM, EACCES.
    #[error(
        "permission denied; run the agent as root of the host's own user namespace, \
         or set the parameter there with `sysctl -w`"
    )]
    NotPermitted,
    /// The kernel has no such file, and that is not because of a missing interface.
    #[error(
        "this kernel has no such parameter; correct or remove it under `sysctls`, \
         or load the module that brings it"
    )]
    Missing,
    /// The kernel has no such file, because the interface is missing.
    #[error(
        "there is no interface `{0}`; see `ip link`, and correct the parameter under `sysctls`"
    )]
    NoInterface(String),
    /// EINVAL, ERANGE.
    #[error("the kernel refuses this value; correct it under `sysctls`")]
    Invalid,
    /// The value was written, and another value was read back.
    #[error("the kernel took the value and has {0} instead; correct it under `sysctls`")]
    Kept(String),
}

impl Cause {
    /// Of a step for an address or a sysctl, given to the writer of the IPVS table.
    pub(super) fn not_of_table() -> Self {
        Self::Unencodable("the step does not concern the IPVS table".to_owned())
    }

    /// Whether the operation will fail until an operator changes this machine.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::NoIpvs
                | Self::NotPermitted
                | Self::NoInterface(_)
                | Self::OtherName { .. }
                | Self::Parameter(SysctlFault::NotPermitted)
        )
    }

    /// Whether the next attempt will fail in the same way, unless somebody follows
    /// the advice in the message: no new message is needed until then.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::NoIpvs
                | Self::NotPermitted
                | Self::NoInterface(_)
                | Self::OtherName { .. }
                | Self::NoScheduler(_)
                | Self::NoSchedulerOrEngine(..)
                | Self::Ipv6Disabled(_)
                | Self::Parameter(_)
        )
    }
}
