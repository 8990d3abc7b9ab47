//! The totals of the host's table, which netlink does not have: `/proc/net/ip_vs_stats`.
//!
//! The file is read without the runtime's help: no disk is behind it.

use std::fs;
use std::io::ErrorKind;

use super::super::{Cause, KernelError};
use crate::model::Statistics;

/// Of the network namespace of the calling thread.
const FILE: &str = "/proc/thread-self/net/ip_vs_stats";

/// The counters of all services of the table, since the kernel's module was loaded.
pub(super) fn read() -> Result<Statistics, KernelError> {
    let failed = |cause| KernelError::new("read the totals of the table", cause);
    let text = fs::read_to_string(FILE).map_err(|error| {
        failed(if error.kind() == ErrorKind::NotFound {
            Cause::NoIpvs
        } else {
            Cause::File(format!("{FILE}: {error}"))
        })
    })?;
    parse(&text).ok_or_else(|| failed(Cause::Undecodable(format!("{FILE} has no counters"))))
}

/// The first line of hexadecimal numbers, below two lines of headings
/// (`ip_vs_stats_show` in `ip_vs_ctl.c`).
fn parse(text: &str) -> Option<Statistics> {
    let line = text.lines().nth(2)?;
    let numbers = line.split_whitespace();
    let numbers = numbers.map(|number| u64::from_str_radix(number, 16));
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    let [
        connections,
        incoming_packets,
        outgoing_packets,
        incoming_bytes,
        outgoing_bytes,
    ] = numbers.try_into().ok()?;
    Some(Statistics {
        connections,
        incoming_packets,
        outgoing_packets,
        incoming_bytes,
        outgoing_bytes,
    })
}

#[cfg(test)]
mod tests;
