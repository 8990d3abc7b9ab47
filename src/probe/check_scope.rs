//! The parts of a check that one probe makes.

use crate::config::CheckKind;

/// The parts of a check that one probe makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckScope {
    All,
    /// The parts that go through the VIP, as clients do.
    ThroughVip,
    /// The other parts, at the real server's own address.
    OwnAddress,
}

impl CheckScope {
    pub(super) fn includes(self, part: &CheckKind) -> bool {
        match self {
            Self::All => true,
            Self::ThroughVip => part.through_vip().is_some(),
            Self::OwnAddress => part.through_vip().is_none(),
        }
    }

    /// The parts of this check that the scope includes.
    pub(super) fn of(self, kind: &CheckKind) -> impl Iterator<Item = &CheckKind> {
        let parts = if let CheckKind::All(parts) = kind {
            parts
        } else {
            std::slice::from_ref(kind)
        };
        parts.iter().filter(move |part| self.includes(part))
    }
}
