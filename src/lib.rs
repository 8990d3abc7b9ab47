//! lvs-agent: the health-checking agent of Linux Virtual Server.

#![recursion_limit = "256"]

mod clock;
mod commands;
pub mod config;
mod health;
mod kernel;
pub mod model;
pub mod plan;
mod probe;
mod snapshot;
