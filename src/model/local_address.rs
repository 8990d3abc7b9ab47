//! A VIP on an interface of this host.

use std::fmt;
use std::net::IpAddr;

use super::Family;

/// A VIP on an interface of this host, always as a single host's prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalAddress {
    /// The interface's name, such as `eth0`.
    pub interface: String,
    /// The address, with prefix length 32 or 128: on `lo` the kernel takes the
    /// whole prefix as local (`fib_add_ifaddr` in `fib_frontend.c`), so a
    /// shorter one would cut the host off its LAN.
    pub address: IpAddr,
}

impl LocalAddress {
    /// 32 or 128.
    pub fn prefix_length(&self) -> u8 {
        Family::from(self.address).host_prefix_length()
    }

    /// The command that puts it there, as the agent does (ip-address(8)): the
    /// other hosts that have an address of IPv6 are not to be asked for it.
    pub fn command(&self) -> String {
        let no_detection = match self.address {
            IpAddr::V4(_) => "",
            IpAddr::V6(_) => " nodad",
        };
        format!(
            "ip address add {}/{} dev {}{no_detection}",
            self.address,
            self.prefix_length(),
            self.interface
        )
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} on {}",
            self.address,
            self.prefix_length(),
            self.interface
        )
    }
}
