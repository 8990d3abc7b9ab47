use super::Sight;

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
