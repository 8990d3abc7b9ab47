use super::{Loss, Sight};

/// What the newest probe of a real server saw, where it was asked, that could
/// be relied on; or that two in a row could not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) plain: Option<Sight>,
    pub(crate) vip: Option<Sight>,
    /// The newest could not be relied on.
    doubted: bool,
}

impl Seen {
    /// How the real server is lost to its clients, if it is; of both ways that
    /// were asked, by that of the clients' packets.
    pub(crate) fn loss(self) -> Option<Loss> {
        let known = |sight: &Sight| *sight != Sight::Unknown;
        if self.plain == Some(Sight::NoNeighbour) && self.vip != Some(Sight::Well) {
            return Some(Loss::Gone);
        }
        match self.vip.filter(known).or(self.plain)? {
            Sight::NoNeighbour => Some(Loss::Gone),
            Sight::Refused | Sight::Silent | Sight::Mute | Sight::Filtered => {
                Some(Loss::Unreachable)
            }
            Sight::Well | Sight::Wrong | Sight::Unknown | Sight::Told(_) => None,
        }
    }

    /// A single probe that says nothing, among others that do, is no news;
    /// answers whether this one was.
    pub(crate) fn note(&mut self, plain: Option<Sight>, vip: Option<Sight>) -> bool {
        let first = self.plain.or(self.vip).is_none();
        let doubtful = [plain, vip].contains(&Some(Sight::Unknown));
        if doubtful && !self.doubted && !first {
            self.doubted = true;
            return false;
        }
        *self = Self {
            plain,
            vip,
            doubted: doubtful,
        };
        true
    }
}

#[cfg(test)]
mod tests;
