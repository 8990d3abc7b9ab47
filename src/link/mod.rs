//! The director's own link: whether it has carrier, and who else on it says
//! that they have a VIP.

pub(crate) mod arp_audit;
pub(crate) mod carrier;
