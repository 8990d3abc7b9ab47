//! lvs-agent: the health-checking agent of Linux Virtual Server.

#![recursion_limit = "256"]

mod clock;
mod commands;
pub mod config;
mod control;
mod health;
mod http;
mod kernel;
mod metrics;
pub mod model;
pub mod plan;
mod probe;
mod snapshot;
mod telemetry;
