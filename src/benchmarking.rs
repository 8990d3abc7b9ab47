//! Entry points for `tests/bench/library`: single steps of the work for a probe and for a pass
//! of reconcile. They exist under `--cfg benchmarking` alone.

#![allow(
    missing_docs,
    reason = "each is one benchmark of tests/bench/library, and described there"
)]

pub use crate::health::benchmarking::Health;
pub use crate::kernel::benchmarking::{decode_destination, encode};
pub use crate::probe::benchmarking::{Schedule, http_answer, http_request};

use crate::config::Config;
use crate::plan::probe_marks::Marks;
use crate::plan::{State, desired};

/// What the table should be while all real servers are up.
pub fn desired(config: &Config) -> State {
    desired::director(config, &Marks::default(), |_, _, configured| configured)
}
