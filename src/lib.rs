//! lvs-agent: the health-checking agent of Linux Virtual Server.

pub mod cli;
mod clock;
pub mod commands;
pub mod config;
mod control;
mod desired;
mod director;
pub mod error_chain;
mod health;
mod http;
mod intent;
mod kernel;
mod lifecycle;
mod liveness;
mod metrics;
pub mod model;
mod notify;
pub mod plan;
mod probe;
mod real_server;
mod reconcile;
mod signals;
mod snapshot;
mod telemetry;
