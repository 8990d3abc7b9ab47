//! HTTP/1.1 as a probe speaks it: one request, one answer, one connection.
//!
//! Answers are read leniently: their status and the length of their body count, and not how
//! well the other lines of their heads are made.

mod decoder;
mod exchange;
mod head;

pub(super) use exchange::Exchange;
