//! Probes through VIPs: over the path that the kernel has for clients, to one
//! real server and no other.
//!
//! A probe's socket carries a firewall mark, and a virtual service by that
//! mark has this real server as its only one ([`crate::plan::probe_marks`]).
//! Every assumption behind that is checked. Whatever would let another real
//! server answer makes the result *unverified*, which counts neither for the
//! real server nor against it:
//!
//! - reconcile has not seen the service in the table, or had to make it anew
//!   since ([`mark_registry`]);
//! - IPVS does not intercept the packets of this host: the connection by a mark
//!   whose service has no real server is not refused ([`canary`]), or
//!   interception is off ([`interception`]);
//! - the kernel does not count one more connection to this real server
//!   after the first packet is sent ([`connection`]). The kernel's counter of
//!   all connections ever made would show the same, but is updated only
//!   every two seconds (`estimation_timer` in `net/netfilter/ipvs/ip_vs_est.c`).
//!
//! IPVS finds a connection by its ports before it looks at a mark, so the agent
//! chooses the source ports ([`ports`]).

mod canary;
mod connection;
mod interception;
mod mark_registry;
mod paths;
mod ports;
mod readers;
mod unverified;

pub(crate) use canary::{CanaryTarget, canary_targets, watch};
pub(crate) use connection::{StartError, VipConnection};
pub(crate) use mark_registry::{Confirmed, MarkRegistry};
pub(crate) use paths::{VipPaths, source};
pub(crate) use ports::Ports;
pub(crate) use unverified::Unverified;
