//! The real server that a checker asks.

use std::net::IpAddr;

/// The real server that is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    /// That of the virtual service, which the real server surely has if it is its own.
    pub(super) service_port: Option<u16>,
    /// A check over a port must say which one.
    pub(super) needs_port: bool,
}
