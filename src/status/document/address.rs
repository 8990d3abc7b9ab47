//! Addresses for people.

use std::borrow::Cow;

/// An address for people: port 0 of IPVS is every port, which the configuration has as `*`.
pub(crate) fn shown_address(address: &str) -> Cow<'_, str> {
    match address.strip_suffix(":0") {
        // Not the end of an IPv6 address.
        Some(host) if host.ends_with(']') || !host.contains(':') => format!("{host}:*").into(),
        _ => address.into(),
    }
}
