//! The file of what operators want, for `tests/fuzz`.

use super::{Decisions, entries, whole_entries};

/// One file.
pub fn drains(bytes: &[u8]) {
    if let Ok(found) = entries(bytes) {
        assert!(found.len() <= bytes.len());
        let mut decisions = Decisions::default();
        for entry in &found {
            drop(decisions.take(entry));
        }
    }
    drop(whole_entries(bytes));
}
