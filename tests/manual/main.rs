//! The manual, held against the program: README.md, `deploy/manual/*.md` and
//! the changelog name nothing that the program does not have, and leave out
//! nothing that they promise to list. The same holds for the rules of Prometheus
//! and the dashboards of Grafana.
//!
//! Each test reads the text, asks the program (its parser of configurations,
//! its command line, its metrics, its source) and reports every disagreement
//! as `FILE:LINE: what is wrong`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking"
)]

mod commands;
mod configuration;
mod deployments;
#[path = "../support/exchange.rs"]
#[allow(dead_code, reason = "the tests of the program use the rest of it")]
mod exchange;
mod keys;
mod limits;
mod links;
mod metrics;
mod page;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "the tests of the program use the rest of it")]
mod process;
mod prometheus;
#[path = "../cli/site.rs"]
#[allow(dead_code, reason = "the tests of the program use the rest of it")]
mod site;
mod source;
mod tables;
mod units;
#[path = "../support/wait.rs"]
#[allow(dead_code, reason = "the tests of the program use the rest of it")]
mod wait;
mod words;

use std::time::Duration;

use exchange::{Answer, exchange};
use process::Process;
use wait::until;

/// How long anything may take that is sure to come, on a busy machine too.
const AMPLE: Duration = Duration::from_secs(30);

/// Fails with all disagreements at once.
fn assert_none(disagreements: &[String]) {
    assert!(
        disagreements.is_empty(),
        "the manual and the program disagree:\n{}",
        disagreements.join("\n")
    );
}
