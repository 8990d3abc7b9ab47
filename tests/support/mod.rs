//! What the tests in network namespaces share: a LAN, processes in it, the
//! programs under test, and waiting with a deadline. It all needs root.

mod agent;
mod http;
mod ipvsadm;
mod lan;
mod namespace;
mod nginx;
mod process;
mod wait;

pub(crate) use agent::{Agent, PROGRAM, agent, agent_under};
pub(crate) use http::http_get;
pub(crate) use ipvsadm::ipvsadm_save;
pub(crate) use lan::Lan;
pub(crate) use namespace::Namespace;
pub(crate) use nginx::nginx;
pub(crate) use process::Process;
pub(crate) use wait::until;
