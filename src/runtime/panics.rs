//! Panics of single tasks: a panic is caught, so that it ends no other task, and logged.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

/// As much of a panic's message is kept, in characters.
const LONGEST: usize = 200;

/// The result of the future, or the message of its panic. Data that the future shares with
/// other tasks must be consistent at every step, as data behind the locks of this program is.
///
/// An async fn would keep the future twice, as its argument and while it waits.
pub(crate) fn caught<F: Future>(future: F) -> impl Future<Output = Result<F::Output, String>> {
    let ended = AssertUnwindSafe(future).catch_unwind();
    ended.map(|ended| ended.map_err(|panic| message(&*panic)))
}

/// What was said with it, as far as that is text.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a message");
    text.escape_debug().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
