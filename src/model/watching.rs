//! What is shown of a watched connection.

/// The idle connection to a real server whose check has `watch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Watching {
    /// The connection is held.
    Connected,
    /// There is none: no probe passes, or the next pass makes one.
    #[default]
    NotConnected,
    /// The real server ends such connections right after they were made.
    EndedByServer,
}

impl Watching {
    /// The value in `/status`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NotConnected => "not_connected",
            Self::EndedByServer => "ended_by_server",
        }
    }
}
