//! The file of what is drained, for `tests/fuzz`.

use super::{drain, entries};

/// One file.
pub fn drains(bytes: &[u8]) {
    if let Ok(found) = entries(bytes) {
        assert!(found.len() <= bytes.len());
        for entry in &found {
            drop(drain(entry));
        }
    }
}
