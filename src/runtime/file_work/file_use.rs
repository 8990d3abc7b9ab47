//! What files are used for, and the threads of each use.

/// What files are used for. Each use has its own threads, so that one which
/// hangs is felt by none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileUse {
    /// The state file.
    State,
    /// The file of what is drained.
    Drains,
    /// The configuration and what it includes.
    Configuration,
    /// Certificates and keys.
    Tls,
    /// The names of users and of hosts, which may come from a file or from the network.
    Users,
    /// The files that `file` checks read.
    Checks,
    /// The programs that `exec` checks run.
    Programs,
}

impl FileUse {
    pub(super) const ALL: [Self; 7] = [
        Self::State,
        Self::Drains,
        Self::Configuration,
        Self::Tls,
        Self::Users,
        Self::Checks,
        Self::Programs,
    ];

    /// The name of its threads, of 15 bytes at the most (`prctl(2)`).
    pub(super) const fn thread_name(self) -> &'static str {
        match self {
            Self::State => "file-state",
            Self::Drains => "file-drains",
            Self::Configuration => "file-config",
            Self::Tls => "file-tls",
            Self::Users => "file-users",
            Self::Checks => "file-checks",
            Self::Programs => "file-programs",
        }
    }

    /// The most threads that it ever has: 32 for all uses together.
    pub(super) const fn threads(self) -> usize {
        match self {
            Self::State | Self::Drains | Self::Configuration => 1,
            Self::Users => 2,
            Self::Tls => 3,
            Self::Programs => 8,
            Self::Checks => 16,
        }
    }
}
