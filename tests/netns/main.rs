//! Tests in network namespaces of the host's own kernel; they need root, and
//! no IPVS. `tests/run.sh netns` runs them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking, and says why on standard error"
)]

mod arp;
mod arp_audit;
mod arp_order;
mod capabilities;
mod capture;
mod checks;
mod cleanup;
mod container;
mod director;
mod dns;
mod from_source;
mod full_disk;
mod haproxy_agent;
mod host_watch;
mod hung_files;
mod idle_clients;
mod lan;
mod orphans;
mod package;
mod plan;
mod probing;
mod readiness;
mod real_server;
mod refusals;
mod rejected;
mod restart;
mod state_directory;
#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the lab's tests use the rest of it"
)]
mod support;
mod unreachable;
mod web_server;
mod witness;
