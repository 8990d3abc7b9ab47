//! The way on which a check asks a real server.

/// Which way a real server is asked.
///
/// Where the way through the VIP fails, the real server's own address is asked
/// as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// At its own address.
    #[default]
    RealServer,
    /// At the VIP, over the path that the kernel has for clients.
    Vip,
    /// Both, and both must pass.
    Both,
}

impl Via {
    /// As it is written, where it leads through the VIP.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::RealServer => None,
            Self::Vip => Some("vip"),
            Self::Both => Some("both"),
        }
    }

    /// Whether it leads through the VIP.
    pub(crate) const fn through_vip(self) -> bool {
        self.name().is_some()
    }
}
