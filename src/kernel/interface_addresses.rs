//! The interfaces of this host and their addresses, as getifaddrs(3) lists them.

use std::io;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};

/// How often the list is read before the last one is taken.
const ATTEMPTS: u32 = 16;

/// All of them. The library does not look whether the kernel's list changed
/// while it was read, which leaves out what was there all the time: so two
/// lists in a row have to be alike. On a host where no two are, the last counts.
pub(super) fn interface_addresses() -> io::Result<Vec<InterfaceAddress>> {
    let list = || -> io::Result<Vec<_>> { Ok(getifaddrs()?.collect()) };
    let mut found = list()?;
    for _ in 1..ATTEMPTS {
        let again = list()?;
        if again == found {
            break;
        }
        found = again;
    }
    Ok(found)
}

/// The interface of what was found. For an address of IPv4 that gives the
/// label instead, such as `eth0:0`; no interface has a colon in its name
/// (`dev_valid_name` in `net/core/dev.c`).
pub(super) fn interface_of(found: &InterfaceAddress) -> &str {
    let name = &found.interface_name;
    name.split_once(':')
        .map_or(name, |(interface, _)| interface)
}
