//! The words of the field as types, with the rules that need nothing else, such as the end of a
//! drain ([`DrainRule`]). Pure: no runtime, socket, file or clock.
//!
//! The kernel's encoding of these types is in `kernel::ipvs::codec`, the spelling in YAML in
//! `config`.

mod admin_state;
mod arp_conflicts;
mod certificate_expiry;
mod compact_time;
mod condition;
mod continuous_statistics;
mod decision;
mod diagnosis;
mod drain;
mod duration;
mod forwarding;
mod freeze_reason;
mod health;
mod host;
mod local_address;
mod mac_address;
mod name;
mod number;
mod own_source;
mod pool_status;
mod probe_path;
mod probe_result;
mod protocol;
mod quiesced;
mod real_server_id;
mod role;
mod scheduler;
mod service_key;
mod sysctl_key;
mod table;
mod table_status;
mod target;
mod timeout;
mod tunnel;
mod watching;
mod weight;

pub(crate) use admin_state::AdminState;
pub(crate) use arp_conflicts::ArpConflicts;
pub(crate) use certificate_expiry::CertificateExpiry;
pub(crate) use compact_time::CompactTime;
pub(crate) use condition::{Announcement, Condition, ConditionType, Severity};
pub(crate) use continuous_statistics::ContinuousStatistics;
pub(crate) use decision::{Decision, OperatorWeight, SetWeight, by_and_reason};
pub(crate) use diagnosis::Diagnosis;
pub(crate) use drain::{DestinationLoad, DrainRule, deadline_only};
pub(crate) use duration::{age, short_duration};
pub use forwarding::Forwarding;
pub(crate) use freeze_reason::{FreezeReason, MassFailure, Reached};
pub(crate) use health::Health;
pub use host::{HostAddress, Interface, Listener, MarkRule};
pub use local_address::LocalAddress;
pub use mac_address::MacAddress;
pub(crate) use name::{LONGEST_NAME, is_name_byte, resembling};
pub(crate) use number::{counted, grouped, with_noun};
pub use own_source::OwnSource;
pub(crate) use pool_status::PoolStatus;
pub use probe_path::ProbePath;
pub(crate) use probe_result::ProbeResult;
pub use protocol::{Family, Protocol};
pub(crate) use quiesced::Quiesced;
pub use real_server_id::RealServerId;
pub(crate) use role::Role;
pub use scheduler::Scheduler;
pub(crate) use service_key::MemberKey;
pub use service_key::{RealServerKey, ServiceKey};
pub use sysctl_key::SysctlKey;
pub use table::{Connections, Destination, Persistence, Service, ServiceFlags, Statistics};
pub(crate) use table_status::{SyncDaemon, SyncState, TableStatus};
pub(crate) use target::{Candidate, Target, UnknownTarget};
pub use timeout::Timeout;
pub use tunnel::{Checksum, Tunnel};
pub(crate) use watching::Watching;
pub use weight::Weight;
pub(crate) use weight::{MAX_PERCENT, Weights};

use thiserror::Error;

/// A text that does not name what it should, and what would.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{found}` is not {expected}")]
pub struct ParseError {
    /// The text as it was given.
    pub found: String,
    /// What was expected instead, with its article and its range.
    pub expected: &'static str,
}

impl ParseError {
    pub(crate) fn new(found: &str, expected: &'static str) -> Self {
        Self {
            found: found.to_owned(),
            expected,
        }
    }
}

#[cfg(test)]
mod tests;
