use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use tracing::warn;

use super::Reconciler;
use crate::config::Config;
use crate::kernel::{Ipvs, KernelError};
use crate::model::ServiceKey;
use crate::plan::ServiceState;
use crate::via_vip::Marks;

impl<T: Ipvs> Reconciler<T> {
    /// The marks of the range for probes by which the table has services of
    /// others: neither remembered as the agent's nor such as it would make.
    pub(super) async fn foreign_marks(
        &mut self,
        config: &Config,
    ) -> Result<BTreeSet<NonZeroU32>, KernelError> {
        let mut foreign = BTreeSet::new();
        if !config.asks_through_vips() {
            return Ok(foreign);
        }
        let range = config.director.probe_mark;
        let ipvs = &mut self.kernel.ipvs;
        for (key, found) in ipvs.services().await? {
            let ServiceKey::Fwmark { mark, .. } = key else {
                continue;
            };
            if range.number(mark).is_none() || self.owned.services.contains(&key) {
                continue;
            }
            let destinations = ipvs.destinations(&key).await?.into_iter();
            let destinations: BTreeMap<_, _> = destinations
                .map(|(real_server, found)| (real_server, found.destination))
                .collect();
            let state = ServiceState {
                service: found.service,
                destinations,
            };
            if !Marks::would_make(config, &key, &state) {
                warn!(
                    service = %key,
                    "the table has this service by a mark of `director.probe_mark`, and the agent \
                     did not make it: it is left alone, and probes take other marks"
                );
                foreign.insert(mark);
            }
        }
        Ok(foreign)
    }
}
