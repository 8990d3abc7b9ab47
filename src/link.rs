//! The director's own link: its carrier, and other hosts that claim a VIP.

pub(crate) mod arp_audit;
pub(crate) mod carrier;
