//! What is true of a virtual service as a whole.

/// What is true of the pool as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolStatus {
    /// Whether enough weight is up.
    pub(crate) quorum_met: bool,
    /// Whether failing real servers serve, for want of others.
    pub(crate) fail_open: bool,
    /// Whether the sorry server serves in place of the real servers.
    pub(crate) sorry_serves: bool,
    /// The weight of the real servers that are up, as the quorum counts it.
    pub(crate) up_weight: u64,
}

impl PoolStatus {
    /// With enough real servers.
    pub(crate) const WELL: Self = Self {
        quorum_met: true,
        fail_open: false,
        sorry_serves: false,
        up_weight: 0,
    };
}
