//! What one look at all virtual services finds: numbers for the summary, and the services that
//! are shown, in their order.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::query::Query;
use crate::model::grouped;
use crate::status::Snapshot;
use crate::status::document::ServiceStatus;

/// With so many problems, the fix of each is shown without being asked for.
const FEW_PROBLEMS: usize = 5;

/// All virtual services, in numbers of real servers; sorry servers do not count.
#[derive(Debug, Default)]
pub(super) struct Overview {
    pub(super) real_servers: usize,
    pub(super) down: usize,
    without_verdict: usize,
    drained: usize,
    problems: usize,
    /// How many the query leaves.
    pub(super) shown: usize,
    /// The indices of the services that the query leaves: those with problems first.
    pub(super) order: Vec<usize>,
}

impl Overview {
    pub(super) fn of(snapshot: &Snapshot, query: &Query, now: SystemTime) -> Self {
        let mut found = Self::default();
        let mut well = Vec::new();
        for (index, record) in snapshot.services.iter().enumerate() {
            let patience = record.verdict_patience();
            let service = ServiceStatus::of(record, |_| true);
            let has_problem = found.count(&service, patience, now);
            let Some(service) = query.apply(service, patience, now) else {
                continue;
            };
            found.shown += service.real_servers.len();
            if has_problem {
                found.order.push(index);
            } else {
                well.push(index);
            }
        }
        found.order.append(&mut well);
        found
    }

    /// Whether the service has a problem.
    fn count(&mut self, service: &ServiceStatus, patience: Duration, now: SystemTime) -> bool {
        self.real_servers += service.real_servers.len();
        let mut problems = 0;
        for server in &service.real_servers {
            match server.health.as_str() {
                "up" => {}
                "down" => self.down += 1,
                _ => self.without_verdict += 1,
            }
            self.drained += usize::from(server.admin.state != "enabled");
            problems += usize::from(server.has_problem(patience, now));
        }
        self.problems += problems;
        problems > 0 || !service.warnings().is_empty()
    }

    pub(super) const fn has_few_problems(&self) -> bool {
        self.problems <= FEW_PROBLEMS
    }

    /// `67 of 1,200 down, 2 drained or draining`
    pub(super) fn summary(&self) -> String {
        let mut text = format!(
            "{} of {} down",
            grouped(self.down),
            grouped(self.real_servers)
        );
        let more = [
            (self.without_verdict, "without a verdict"),
            (self.drained, "drained or draining"),
        ];
        for (number, what) in more.into_iter().filter(|(number, _)| *number > 0) {
            let _ = write!(text, ", {} {what}", grouped(number));
        }
        text
    }
}
