//! The program as its users meet it: arguments, files, signals and sockets
//! in, exit codes, sentences and pages out. Everything is on 127.0.0.0/8 and
//! in temporary directories, the IPVS table is the agent's own, and nothing
//! needs root.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking, and says why on standard error"
)]

mod certificates;
mod check_config;
mod clock;
mod colours;
mod config_files;
mod damaged_state;
#[path = "../support/dashboards.rs"]
mod dashboard_queries;
mod dashboards;
mod descriptors;
mod drain;
mod dry_run;
mod early_answers;
mod endpoints;
#[path = "../support/exchange.rs"]
mod exchange;
mod held_connections;
mod hostile;
mod import;
mod log;
mod man;
mod many;
mod many_readers;
mod own_checks;
mod probes;
#[path = "../support/process.rs"]
#[allow(
    dead_code,
    reason = "the tests in network namespaces use the rest of it"
)]
mod process;
#[path = "../support/prometheus.rs"]
mod prometheus;
#[path = "../support/pty.rs"]
mod pty;
mod readers;
mod reload;
mod schema;
mod scrapes;
mod secrets;
mod server;
mod site;
mod soak;
mod start;
mod status;
mod stop;
mod usage;
#[path = "../support/wait.rs"]
mod wait;
mod watch;
mod weight;
mod workers;
mod zoo;

use std::time::Duration;

use exchange::{Answer, exchange};
use process::Process;
use server::{Behaviour, Server};
use site::{Agent, Ended, Site, end, fifo, program};
use wait::{here, until};

/// How long anything may take that is sure to come, on a busy machine too.
const AMPLE: Duration = Duration::from_secs(30);
