//! Whether this host accepts packets that have its own address as their source.

use std::fmt;

/// Why the kernel drops IPv4 packets that come in from an address of this very
/// host, as answers through a VIP do on a director.
///
/// By `__fib_validate_source` in `net/ipv4/fib_frontend.c`: such a packet is
/// taken if `accept_local` is set for the interface or for all, and, where
/// `rp_filter` is 1 (the larger of the two counts), if that address is on the
/// interface it came in by. IPv6 has no such rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwnSource {
    /// `accept_local` is not set.
    NotAccepted {
        /// The interface by which the packets come in, as sysctl(8) writes it.
        interface: String,
    },
    /// `rp_filter` is strict, and the address is on another interface.
    Filtered {
        /// The same.
        interface: String,
    },
}

impl OwnSource {
    /// What keeps packets from an address on the interface `from` out that come
    /// in on the interface `to`. `value` tells a number below
    /// `net.ipv4.conf`, from an interface or `all` and a name.
    pub fn kept_out<E>(
        to: &str,
        from: &str,
        value: impl Fn(&str, &str) -> Result<u32, E>,
    ) -> Result<Option<Self>, E> {
        let interface = to.replace('.', "/");
        let largest = |name| Ok(value("all", name)?.max(value(&interface, name)?));
        if largest("accept_local")? == 0 {
            return Ok(Some(Self::NotAccepted { interface }));
        }
        if from != to && largest("rp_filter")? == 1 {
            return Ok(Some(Self::Filtered { interface }));
        }
        Ok(None)
    }

    /// The parameter.
    pub fn key(&self) -> String {
        match self {
            Self::NotAccepted { interface } => format!("net.ipv4.conf.{interface}.accept_local"),
            Self::Filtered { interface } => format!("net.ipv4.conf.{interface}.rp_filter"),
        }
    }

    /// The command that lets the packets in.
    pub fn command(&self) -> String {
        let value = match self {
            Self::NotAccepted { .. } => 1,
            Self::Filtered { .. } => 2,
        };
        format!("sysctl -w {}={value}", self.key())
    }
}

impl fmt::Display for OwnSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())?;
        f.write_str(match self {
            Self::NotAccepted { .. } => " is 0",
            Self::Filtered { .. } => " is 1 and the VIP is on another interface",
        })
    }
}

#[cfg(test)]
mod tests;
