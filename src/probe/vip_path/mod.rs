//! Probes through VIPs: over the path that the kernel has for clients, to one
//! real server and no other.
//!
//! A probe's socket carries a firewall mark, and a virtual service by that
//! mark has this real server as its only one ([`crate::plan::probe_marks`]). Nothing of that is
//! taken on trust. What would let another real server answer in its place
//! makes the result *unverified*, which speaks neither for nor against it:
//!
//! - reconcile has not seen the service in the table, or had to make it anew
//!   since ([`board`]);
//! - IPVS does not take the packets of this host, as a mark whose service has
//!   no real server shows ([`canary`]): it is refused, or interception is off;
//! - the kernel does not count one more connection to this real server
//!   once the first packet is sent ([`passages`]). Its counter of connections
//!   that were ever made would say the same, but is brought up to date only
//!   every two seconds (`estimation_timer` in `net/netfilter/ipvs/ip_vs_est.c`).
//!
//! IPVS knows a connection by its ports before it looks at a mark, so source
//! ports are the agent's to choose ([`ports`]).

mod board;
mod canary;
mod guard;
mod passages;
mod ports;
mod readers;
mod unverified;

pub(crate) use board::{Board, Confirmed};
pub(crate) use canary::{Perch, perches, watch};
pub(crate) use passages::{Passage, Passages, StartError, source};
pub(crate) use ports::Ports;
pub(crate) use unverified::Unverified;
