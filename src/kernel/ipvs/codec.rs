//! Between the model and IPVS's messages; pure, no socket.
//!
//! The layout of the messages is that of `linux/ip_vs.h` and of
//! `ip_vs_genl_fill_service`, `ip_vs_genl_fill_dest` and their parsing
//! counterparts in `net/netfilter/ipvs/ip_vs_ctl.c`.

mod decode;
mod encode;

pub(super) use decode::{destination, info, service, sync_daemon, timeouts};
pub(super) use encode::{
    Message, get_daemons, get_destinations, get_info, get_service, get_services, get_timeouts,
    write,
};

#[cfg(test)]
mod tests;
