//! An error and what it came from, on one line.

use std::error::Error;

/// The error and its sources, outermost first: `cannot do this: because of that`.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}
