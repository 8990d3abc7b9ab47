//! Policies that a key chooses by one word: what is shown, what is left, and what becomes of real
//! servers that fail, leave the configuration or answer for a VIP.

/// `metrics.per_real_server`; what is greater shows all that a smaller one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PerRealServer {
    /// None.
    Off,
    /// Health, weight, transitions and probes.
    Compact,
    /// All.
    Full,
}

/// `director.on_removal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectorRemoval {
    /// The real server is removed from the table as soon as its replacement serves.
    Remove,
    /// From then on it has weight 0 until its connections have ended, and is
    /// removed after that.
    Drain,
}

/// `director.on_arp_conflict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnArpConflict {
    /// The conflict is reported.
    Warn,
    /// The real server has weight 0 during the conflict, in the services of that VIP, as long as
    /// somebody else serves them.
    Quiesce,
}

/// `director.on_exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectorExit {
    /// The table stays as it is.
    Keep,
    /// Every weight becomes 0; established connections go on.
    Drain,
    /// All that is ours goes.
    Remove,
}

/// `real_server.on_exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RealServerExit {
    /// VIPs and sysctls stay as they are.
    Keep,
    /// The VIPs go, then the sysctls are restored.
    Remove,
}

/// `on_failure` of a virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The real server has weight 0, and its connections go on.
    Quiesce,
    /// The real server is out of the table until it passes again.
    Remove,
    /// The real server has weight 0, and where nothing answers there any more its
    /// connections are ended.
    Reset,
}
