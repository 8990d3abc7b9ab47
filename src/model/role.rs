//! The two roles of the agent.

/// Which of the two roles this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The agent keeps the IPVS table.
    Director,
    /// The agent keeps the VIPs of this host.
    RealServer,
}

impl Role {
    /// The value of the label and of the field `mode`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Director => "director",
            Self::RealServer => "real_server",
        }
    }

    /// The name of the systemd unit that runs the agent in this role.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Director => "lvs-agent-director",
            Self::RealServer => "lvs-agent-real-server",
        }
    }
}
