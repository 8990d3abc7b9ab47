//! An error and what it came from, on one line.

mod tls;

use std::error::Error;
use std::io;

use tokio_rustls::rustls;

pub(crate) use tls::words;

/// The error and its sources, outermost first: `cannot do this: because of that`.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = one(error);
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&one(source));
        next = source.source();
    }
    text
}

/// Errors of TLS speak for themselves only to programmers.
fn one(error: &(dyn Error + 'static)) -> String {
    match of_tls(error) {
        Some(error) => words(error),
        None => error.to_string(),
    }
}

/// The error of TLS that this one is, or carries and tells as its own.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => of_tls(error.get_ref()?),
        None => error.downcast_ref(),
    }
}
