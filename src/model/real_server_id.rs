//! The number of a real server in a configuration.

/// One real server of one virtual service, by its place in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerId {
    /// The index in `virtual_services`.
    pub service: u32,
    /// The index in that service's `real_servers`.
    pub real_server: u32,
}

impl RealServerId {
    /// `service` as an index.
    pub const fn service_index(self) -> usize {
        self.service as usize
    }

    /// `real_server` as an index.
    pub const fn real_server_index(self) -> usize {
        self.real_server as usize
    }
}
