//! Why a real server is quiesced, beside its health and its operator.

/// Why a real server has weight 0 though its health and its operator let it serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quiesced {
    /// The real server answers for the VIP on the link.
    ArpConflict,
}

impl Quiesced {
    /// As it is shown.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ArpConflict => "arp_conflict",
        }
    }
}
