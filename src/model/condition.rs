//! Conditions: what is not as it should be. Their types are declared here and
//! nowhere else; the metric, `/status` and the manual's table follow the declaration.

use std::fmt;
use std::time::SystemTime;

/// How much a condition matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Clients suffer, or will as soon as something else fails.
    Problem,
    /// Clients do not suffer, and somebody should look at the cause.
    Warning,
}

impl Severity {
    /// The value of the label and of the field.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who logs a condition and notifies of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// The registry of conditions.
    Registry,
    /// The module that found it has a log line of its own; the registry notifies.
    LoggedBySource,
    /// The module that found it, which has a log line and an event of its own.
    Source,
}

/// What is fixed for all conditions of a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declaration {
    /// The value of the label and of the field.
    pub(crate) name: &'static str,
    /// The severities that such a condition may have.
    pub(crate) severities: &'static [Severity],
    pub(crate) announcement: Announcement,
    /// The log's message, always the same.
    pub(crate) message: &'static str,
    /// What the subject of such a condition is, for the manual.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test holds the manual against it")
    )]
    pub(crate) subject: &'static str,
    /// What such a condition means, for the manual.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test holds the manual against it")
    )]
    pub(crate) meaning: &'static str,
}

macro_rules! condition_types {
    ($($variant:ident {
        $name:literal, [$($severity:ident),+], $announcement:ident,
        $message:literal, $subject:literal, $meaning:literal
    })+) => {
        /// What a condition is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum ConditionType {
            $(#[doc = $meaning] $variant,)+
        }

        impl ConditionType {
            /// All of them, in the order of a scrape and of the manual.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) const fn declaration(self) -> Declaration {
                match self {
                    $(Self::$variant => Declaration {
                        name: $name,
                        severities: &[$(Severity::$severity),+],
                        announcement: Announcement::$announcement,
                        message: $message,
                        subject: $subject,
                        meaning: $meaning,
                    },)+
                }
            }
        }
    };
}

condition_types! {
    KernelUnreadable {
        "kernel_unreadable", [Problem], Registry, "the kernel cannot be read", "`kernel`",
        "The kernel's state cannot be read, so nothing is written."
    }
    StepFailed {
        "step_failed", [Problem], Registry, "the kernel could not be brought in line",
        "a virtual service, a real server or a time-out",
        "The kernel refused a change; the change is tried again."
    }
    VipMissing {
        "vip_missing", [Problem], Registry, "VIP missing", "VIP and interface",
        "A VIP is not on the interface where this host should have it."
    }
    SysctlWrong {
        "sysctl_wrong", [Problem, Warning], Registry, "kernel parameter not as configured",
        "the parameter",
        "A kernel parameter does not have the configured value; a warning if traffic does not depend on it."
    }
    OwnershipNotSaved {
        "ownership_not_saved", [Problem], Registry, "state file not written", "the state file",
        "The state file cannot be written, so a crash would leave objects of the agent in the kernel."
    }
    DrainsNotSaved {
        "drains_not_saved", [Problem], Registry, "drains not saved", "the file of drains",
        "The file of drains cannot be written, so a restart would forget what operators have decided: drains and weights."
    }
    StateFileDamaged {
        "state_file_damaged", [Problem, Warning], Registry, "state file damaged",
        "the damaged file",
        "A file in `state_dir`, or a lock file in `/run/lvs-agent`, is damaged, and the agent goes on with what can be read of the file: a problem if the file has drains and weights. The condition ends when the damaged file is removed."
    }
    FileSystemHung {
        "file_system_hung", [Problem], Registry, "file system does not answer", "a file",
        "The file system of a file that the agent needs does not answer."
    }
    TlsFilesStale {
        "tls_files_stale", [Warning], LoggedBySource, "the files of TLS cannot be read again",
        "the files",
        "Certificates or keys that checks or webhooks use cannot be read again; what was read before stays in use. For webhooks, also that they were never read."
    }
    ReloadFailed {
        "reload_failed", [Problem], Source, "configuration not reloaded", "the configuration file",
        "The last reload failed; the configuration before it is in force, unless the message says otherwise."
    }
    CapabilityMissing {
        "capability_missing", [Problem], Registry, "capability missing", "the capability",
        "The process lacks a capability that its configuration needs."
    }
    DescriptorsShort {
        "descriptors_short", [Warning], Registry, "limit of open files too low", "`descriptors`",
        "The process may open fewer files than its probes and watched connections can need at once."
    }
    WeightsFrozen {
        "weights_frozen", [Problem], LoggedBySource, "weights frozen", "the reason",
        "No weight is changed, or for `clock` no verdict on certificate dates, as the director itself is likely at fault."
    }
    ArpAuditFailed {
        "arp_audit_failed", [Warning], Registry, "no ARP audit", "the interface",
        "The link cannot be audited, so no ARP conflict is found and no VIP is announced."
    }
    ArpConflict {
        "arp_conflict", [Problem], LoggedBySource, "ARP conflict", "VIP and MAC address",
        "Another host answers for a VIP of this director."
    }
    ForeignMark {
        "foreign_mark", [Warning], Registry, "service of another program by a mark of `director.probe_mark`",
        "a virtual service",
        "The table has a virtual service by a mark for probes that the agent did not make."
    }
    MarksExhausted {
        "marks_exhausted", [Warning], Registry, "no mark is left for some probes through VIPs",
        "`director.probe_mark`",
        "Some probes through VIPs cannot be made, as `director.probe_mark` has too few marks."
    }
    QuorumLost {
        "quorum_lost", [Problem], Source, "quorum lost", "a virtual service",
        "The weight of the real servers that are up is below the quorum."
    }
    SorryServerActive {
        "sorry_server_active", [Problem], LoggedBySource, "the sorry server serves", "a virtual service",
        "The sorry server serves in place of the real servers."
    }
    FailOpen {
        "fail_open", [Problem], Source, "failing open", "a virtual service",
        "Real servers that fail serve, since too few others are up."
    }
    RealServerDown {
        "real_server_down", [Problem], Source, "real server down", "a real server",
        "A real server or a sorry server is down; verdicts do not change while all weights are frozen."
    }
    CertificateEnding {
        "certificate_ending", [Problem, Warning], Registry, "certificate ends soon", "a real server",
        "The certificate that a real server shows ends within 14 days; a problem within 3 days."
    }
    DrainOverdue {
        "drain_overdue", [Warning], Registry, "drain past its deadline", "a real server",
        "A real server still has connections although the deadline of its drain has passed."
    }
    RemovalOverdue {
        "removal_overdue", [Warning], Registry, "removal past its deadline", "a real server",
        "A real server that is no longer configured still serves, as no configured one does."
    }
    HostUnreadable {
        "host_unreadable", [Problem], Registry, "this host cannot be examined", "`host`",
        "A real server's agent cannot examine its own host, so no service is ready."
    }
    ServiceNotReady {
        "service_not_ready", [Problem], Registry, "service not ready on this host",
        "a virtual service",
        "This real server cannot serve a virtual service that lists it."
    }
}

impl ConditionType {
    /// The value of the label and of the field.
    pub(crate) const fn as_str(self) -> &'static str {
        self.declaration().name
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that is not as it should be; type and subject are its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: ConditionType,
    pub(crate) subject: String,
    pub(crate) severity: Severity,
    /// The cause, for people.
    pub(crate) message: String,
    /// What ends the condition, for people.
    pub(crate) fix: String,
    pub(crate) since: SystemTime,
}

#[cfg(test)]
mod tests;
