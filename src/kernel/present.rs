//! Complete reads of an IPVS table that other programs change at the same time.
//!
//! The kernel sends a long dump in several messages, and continues after each
//! message by counting the entries sent so far (`ip_vs_genl_dump_services` and
//! `ip_vs_genl_dump_dests` in `net/netfilter/ipvs/ip_vs_ctl.c`), without the
//! flag `NLM_F_DUMP_INTR`. The removal of one entry by another program makes the
//! dump leave out another entry that stays. So an entry counts as absent only
//! when a second answer lacks the entry as well. A dump without any entry has
//! left out none.

use std::collections::BTreeMap;

use super::{Cause, Ipvs, KernelError, ObservedDestination, ObservedService};
use crate::model::{RealServerKey, ServiceKey};

/// How often the real servers of one virtual service are listed.
const ATTEMPTS: u32 = 16;

/// All virtual services that a dump shows, and all of `wanted` that are there.
pub(crate) async fn services<T: Ipvs>(
    ipvs: &mut T,
    wanted: impl Iterator<Item = ServiceKey>,
) -> Result<BTreeMap<ServiceKey, ObservedService>, KernelError> {
    let mut found = ipvs.services().await?;
    if found.is_empty() {
        return Ok(found);
    }
    let doubtful: Vec<_> = wanted.filter(|key| !found.contains_key(key)).collect();
    if !doubtful.is_empty() {
        found.extend(ipvs.find(&doubtful).await?);
    }
    Ok(found)
}

/// The real servers of a virtual service. `has_all` decides whether all wanted real
/// servers are among them. A real server that is not among them was missing in
/// two consecutive dumps with the same real servers.
pub(crate) async fn destinations<T: Ipvs>(
    ipvs: &mut T,
    service: &ServiceKey,
    has_all: impl Fn(&BTreeMap<RealServerKey, ObservedDestination>) -> bool,
) -> Result<BTreeMap<RealServerKey, ObservedDestination>, KernelError> {
    let mut found = ipvs.destinations(service).await?;
    for _ in 1..ATTEMPTS {
        if found.is_empty() || has_all(&found) {
            return Ok(found);
        }
        let again = ipvs.destinations(service).await?;
        if again.keys().eq(found.keys()) {
            return Ok(again);
        }
        found = again;
    }
    Err(KernelError::new(
        format!("list the real servers of {service}"),
        Cause::Truncated("they changed whenever they were listed".to_owned()),
    ))
}

#[cfg(test)]
mod tests;
