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
    /// The real server sends more over such connections than is discarded.
    TooMuchSent,
    /// Such connections cannot be made, though probes pass.
    NotMade,
}

impl Watching {
    /// Those with which `watch` is of no use.
    pub(crate) const USELESS: [Self; 3] = [Self::EndedByServer, Self::TooMuchSent, Self::NotMade];

    /// The value in `/status`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NotConnected => "not_connected",
            Self::EndedByServer => "ended_by_server",
            Self::TooMuchSent => "too_much_sent",
            Self::NotMade => "not_made",
        }
    }

    /// Why `watch` is of no use, and what to do, for people.
    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Connected | Self::NotConnected => None,
            Self::EndedByServer => Some(
                "the server ends an idle connection right after it was made; remove `watch`, or \
                 raise the server's time-out for clients that send nothing",
            ),
            Self::TooMuchSent => Some(
                "the server sends more than 64 KiB over a connection on which nothing is asked; \
                 remove `watch`",
            ),
            Self::NotMade => Some(
                "a connection beside the probes is not made within 1 s; remove `watch`, or see \
                 what keeps this host from further connections",
            ),
        }
    }
}
