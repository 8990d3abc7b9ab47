//! What operators say of a real server.

/// What an operator has said of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum AdminState {
    /// The health of the real server decides.
    #[default]
    Enabled,
    /// No new connections; established ones go on.
    Draining,
    /// Nothing is left on it.
    Drained,
}

impl AdminState {
    /// As it is shown.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}
