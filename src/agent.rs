//! The two roles of the agent, and what they share: start, reload, end.

pub(crate) mod conditions;
pub(crate) mod decisions;
pub(crate) mod director;
pub(crate) mod lifecycle;
pub(crate) mod real_server;
mod reload;
mod serve;
mod service_status;
mod startup_resources;
mod targets;
mod tasks;

pub(crate) use reload::FIXED;
#[cfg(test)]
pub(crate) use reload::ReloadError;
