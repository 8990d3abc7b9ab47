//! The kinds of check, one file each: what each one sends, and what passes.

pub(in crate::probe) mod agent;
pub(in crate::probe) mod dns;
pub(in crate::probe) mod exec;
pub(in crate::probe) mod file;
pub(in crate::probe) mod grpc;
pub(in crate::probe) mod haproxy_agent;
pub(in crate::probe) mod http;
pub(in crate::probe) mod ping;
pub(in crate::probe) mod stream;
pub(in crate::probe) mod udp;
