//! Reading addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::declaration::{HOST_ADDRESS, LISTEN, SERVICE_ADDRESS};
use super::problem::{Parsed, Problems, quoted};
use super::scalar::Value;

impl Value<'_> {
    /// Address and port to listen on; any address will do.
    pub(super) fn listen(self, problems: &mut Problems) -> Parsed<SocketAddr> {
        self.read(LISTEN, without_zone, problems)
    }

    /// VIP and port of a virtual service; `*`, which is port 0, for every port.
    pub(super) fn service_address(self, problems: &mut Problems) -> Parsed<SocketAddr> {
        let text = self.text(SERVICE_ADDRESS, |_| true, problems)?;
        let every_port = text.strip_suffix(":*").map(|vip| format!("{vip}:0"));
        let Some(address) = without_zone(every_port.as_deref().unwrap_or(text)) else {
            let hint = match text.trim_matches(['[', ']']).parse() {
                Ok(IpAddr::V4(ip)) => format!("add the port, like `{ip}:80`"),
                Ok(IpAddr::V6(ip)) => {
                    format!("add brackets, port and quotes, like `\"[{ip}]:80\"`")
                }
                Err(_) => SERVICE_ADDRESS.hint.to_owned(),
            };
            return Err(self.wrong(SERVICE_ADDRESS.wanted, hint, problems));
        };
        self.usable(address.ip(), problems)?;
        if address.port() == 0 && every_port.is_none() {
            return Err(problems.add(
                self.node.location,
                "port 0 is not a port that clients can connect to",
                "write a port from 1 to 65535; for every port, write `*`; for several ports, use \
                 `fwmark`",
            ));
        }
        Ok(address)
    }

    /// An address of one host, without a port.
    pub(super) fn host_address(self, problems: &mut Problems) -> Parsed<IpAddr> {
        let text = self.text(HOST_ADDRESS, |_| true, problems)?;
        if let Ok(address) = text.parse() {
            self.usable(address, problems)?;
            return Ok(address);
        }
        let bare: Option<IpAddr> = text.trim_matches(['[', ']']).parse().ok();
        let hint = if let Ok(both) = text.parse::<SocketAddr>() {
            format!(
                "write the address alone, `{}`; a port is a key of its own",
                both.ip()
            )
        } else if let Some(bare) = bare {
            format!("write it without brackets: `{bare}`")
        } else if text.contains('/') {
            "write the address without a prefix length".to_owned()
        } else {
            HOST_ADDRESS.hint.to_owned()
        };
        Err(self.wrong(HOST_ADDRESS.wanted, hint, problems))
    }

    /// Whether one host can have the address.
    pub(super) fn usable(self, address: IpAddr, problems: &mut Problems) -> Parsed<()> {
        let Some((kind, hint)) = of_no_host(address) else {
            return Ok(());
        };
        let address = quoted(&address.to_string());
        Err(problems.add(self.node.location, format!("{address} is {kind}"), hint))
    }
}

/// The port of an address with a zone would be one of a single host.
fn without_zone(text: &str) -> Option<SocketAddr> {
    text.parse().ok().filter(|_| !text.contains('%'))
}

/// What an address is that no single host has, and the remedy. Loopback addresses
/// are let through: with `--table memory` a cluster can be tried out on one host.
pub(crate) fn of_no_host(address: IpAddr) -> Option<(&'static str, &'static str)> {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some((
            "an IPv4 address in IPv6 clothing",
            "write it as the IPv4 address that it is",
        )),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some((
            "a link-local address, which means nothing without an interface",
            "use a global or a unique local address (fc00::/7)",
        )),
        _ if address.is_unspecified() => Some((
            "the unspecified address, which no host has",
            "write the address of one host",
        )),
        _ if address.is_multicast() => Some((
            "a multicast address, which no single host has",
            "write the address of one host",
        )),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some((
            "the broadcast address, which no single host has",
            "write the address of one host",
        )),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}
