//! What the tests share: servers, the programs under test, waiting with a
//! deadline; and for those in network namespaces a LAN and processes in it,
//! which need root.

mod agent;
mod authority;
pub(crate) mod dashboards;
mod exchange;
mod http;
mod ipvsadm;
mod lan;
mod loopback;
mod namespace;
mod nginx;
mod package;
mod process;
pub(crate) mod prometheus;
mod recorder;
mod repeat;
mod service_manager;
mod site;
mod source_tree;
mod systemd;
mod wait;
mod web;

pub(crate) use agent::{Agent, PROGRAM, agent, agent_under};
pub(crate) use authority::Authority;
pub(crate) use exchange::exchange;
pub(crate) use http::{http_get, http_get_path};
pub(crate) use ipvsadm::ipvsadm_save;
pub(crate) use lan::Lan;
pub(crate) use loopback::loopback;
pub(crate) use namespace::Namespace;
pub(crate) use nginx::{nginx, nginx_on};
pub(crate) use package::{Installer, PackageTool, packages};
pub(crate) use process::Process;
pub(crate) use recorder::{Recorder, Request};
pub(crate) use repeat::while_repeating;
pub(crate) use service_manager::ServiceManager;
pub(crate) use site::Site;
pub(crate) use source_tree::SourceTree;
pub(crate) use systemd::Systemd;
pub(crate) use wait::{here, until};
pub(crate) use web::{Behaviour, Web};

/// For what should come soon: long enough for an emulated machine that is busy.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_mins(3);
