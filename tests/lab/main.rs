//! Tests that need a kernel with IPVS, in network namespaces; they need root.
//! `tests/run.sh lab` boots such a kernel and runs them there.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends by panicking, and says why on standard error"
)]

mod addresses;
mod agent_check;
mod another_real_server;
mod arp_audit;
mod both_roles;
mod checks;
mod churn;
mod clock;
mod cluster;
mod dashboards;
mod director;
mod doctor;
mod drain;
mod drift;
mod events;
mod forwarding;
mod howto;
mod import;
mod ipvs;
mod leaving;
mod link;
mod matrix;
mod metrics;
mod on_failure;
mod own_checks;
mod own_fault;
mod own_firewall;
mod package;
mod pair;
mod pool;
mod probe_cost;
mod recovery;
mod refusal;
mod reload;
mod replacement;
mod restart;
mod standstill;
#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the host's tests use the rest of it"
)]
mod support;
mod units;
mod vanished_host;
mod via_vip;
mod vip_lan;
mod watch;
