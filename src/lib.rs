//! lvs-agent: the health-checking agent of Linux Virtual Server.

mod clock;
pub mod config;
mod desired;
mod health;
mod intent;
mod kernel;
mod liveness;
mod metrics;
pub mod model;
mod notify;
pub mod plan;
mod probe;
mod reconcile;
mod signals;
mod snapshot;
