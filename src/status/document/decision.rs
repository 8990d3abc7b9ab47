//! What operators have decided on real servers.

use std::time::SystemTime;

use super::Timestamp;
use super::real_server::{RealServerStatus, WeightStatus};
use super::service::ServiceStatus;
use crate::model::by_and_reason;

impl WeightStatus {
    /// The configured weight, and what is in place of it, for people.
    pub(crate) fn summary(&self) -> String {
        let set = self.set.as_ref().map(|set| format!(", set {}", set.weight));
        let advised = self.advised.map(|advised| format!(", advised {advised}"));
        let parts = [Some(self.configured.to_string()), set, advised];
        parts.into_iter().flatten().collect()
    }
}

impl ServiceStatus {
    /// What operators have decided on real servers, as lines; `age` says how long it is from
    /// one point in time to another.
    pub(crate) fn decision_lines(
        &self,
        now: SystemTime,
        age: impl Fn(SystemTime, SystemTime) -> String,
    ) -> Vec<String> {
        let real_servers = self.real_servers.iter();
        let lines = real_servers.flat_map(|server| server.decision_lines(now, &age));
        lines.collect()
    }
}

impl RealServerStatus {
    /// The same of one real server.
    pub(crate) fn decision_lines(
        &self,
        now: SystemTime,
        age: &impl Fn(SystemTime, SystemTime) -> String,
    ) -> Vec<String> {
        let ago = |since: Option<Timestamp>| {
            let ago = since.map(|since| format!(" {} ago", age(since.0, now)));
            ago.unwrap_or_default()
        };
        let mut lines = Vec::new();
        let (name, admin) = (&self.name, &self.admin);
        if admin.is_known() {
            let by = by_and_reason(admin.by.as_deref(), admin.reason.as_deref());
            lines.push(format!("{name}: drain asked for{}{by}", ago(admin.since)));
        }
        if let Some(set) = &self.weight.set {
            let by = by_and_reason(set.by.as_deref(), None);
            let (to, ago) = (&set.to, ago(set.since));
            lines.push(format!("{name}: weight set to {to}{ago}{by}"));
        }
        lines
    }
}
