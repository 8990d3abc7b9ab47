//! What a reload was told of the table when it began: its pass does not read the whole table
//! again.

use std::time::Duration;

use tokio::time::Instant;

use crate::plan::Step;
use crate::reconcile::observe::KernelObservation;

/// How old an observation may be that a pass begins with. Reading a large table may itself take
/// seconds; what another program changes meanwhile is found by the next resync.
const LONGEST_AGE: Duration = Duration::from_secs(10);

/// The observation, until a pass or a write that the observation does not have.
#[derive(Debug, Default)]
pub(super) struct RecentObservation(Option<(Instant, KernelObservation)>);

impl RecentObservation {
    /// Keeps an observation that was begun at this time.
    pub(super) fn keep(&mut self, begun: Instant, observation: KernelObservation) {
        self.0 = Some((begun, observation));
    }

    /// Takes account of a step that the kernel has carried out since.
    pub(super) fn note(&mut self, step: &Step) {
        if let Some((_, observation)) = &mut self.0 {
            observation.state.apply(step);
        }
    }

    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// The observation, unless it is too old by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<KernelObservation> {
        let (begun, observation) = self.0.take()?;
        (now.saturating_duration_since(begun) < LONGEST_AGE).then_some(observation)
    }
}
