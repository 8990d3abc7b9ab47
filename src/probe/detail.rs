//! Text of a real server in the detail of an outcome.

use crate::runtime::printable;

/// The longest part of the other end's text that is shown, in characters.
const LONGEST: usize = 300;

/// What came from elsewhere, on one line and not too long.
pub(super) fn printable(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST).collect();
    printable::printable(&cut)
}
