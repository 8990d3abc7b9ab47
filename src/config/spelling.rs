//! Misspelt words of the configuration.

use crate::model;

/// The word that was probably meant.
pub(super) fn resembling(
    text: &str,
    words: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    // A word longer than every one of ours resembles none; comparing costs the product of the lengths.
    if text.len() > 40 {
        return None;
    }
    model::resembling(&text.to_lowercase().replace('-', "_"), words)
}
