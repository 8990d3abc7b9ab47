//! A value that tasks share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value that one task writes and others read, each for a moment.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Locks it. A holder that panicked left a whole value behind, since each
    /// field is written by one assignment, so poison is no reason to stop.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
