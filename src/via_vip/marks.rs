use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use crate::config::{Config, ProbeMark};
use crate::model::{
    Destination, Family, ProbePath, RealServerKey, Scheduler, Service, ServiceFlags, ServiceKey,
    Weight,
};
use crate::plan::{ServiceState, State};

/// Which firewall mark leads over which path. Pure.
///
/// The first that is free is the canary's: its services have no real server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    numbers: BTreeMap<ProbePath, NonZeroU32>,
    canary: Option<NonZeroU32>,
}

impl Marks {
    /// The paths that checks of the configuration ask for. Those that had a
    /// mark `before` keep it; the others get one that nobody had, as long as
    /// there are such. What is `foreign` is left to whom it belongs.
    pub(crate) fn assign(
        config: &Config,
        before: &BTreeMap<ProbePath, NonZeroU32>,
        foreign: &BTreeSet<NonZeroU32>,
    ) -> Self {
        let marks = config.director.probe_mark;
        let paths = paths(config);
        if paths.is_empty() {
            return Self::default();
        }
        let kept: BTreeMap<_, _> = before
            .iter()
            .filter(|(path, mark)| paths.contains(path) && is_for_paths(marks, **mark))
            .filter(|(_, mark)| !foreign.contains(mark))
            .map(|(path, mark)| (*path, *mark))
            .collect();
        let taken: BTreeSet<_> = kept.values().copied().collect();
        let given_up: BTreeSet<_> = before.values().copied().collect();
        let all = || {
            let all = (0..).map_while(|number| marks.mark(number));
            all.filter(|mark| !foreign.contains(mark) && !taken.contains(mark))
        };
        let canary = all().next();
        let rest = || all().skip(1);
        let fresh = rest().filter(|mark| !given_up.contains(mark));
        let again = rest().filter(|mark| given_up.contains(mark));
        let new = paths.into_iter().filter(|path| !kept.contains_key(path));
        let mut numbers: BTreeMap<_, _> = new.zip(fresh.chain(again)).collect();
        numbers.extend(kept);
        Self { numbers, canary }
    }

    /// Whether the agent would have made this service by a mark of the range,
    /// for the configuration as it is.
    pub(crate) fn would_make(config: &Config, key: &ServiceKey, found: &ServiceState) -> bool {
        let path = match found.destinations.first_key_value() {
            None => return *found == round_robin(BTreeMap::new()),
            Some((real_server, destination)) => ProbePath {
                family: key.family(),
                real_server: real_server.0.ip(),
                forwarding: destination.forwarding,
            },
        };
        paths(config).contains(&path) && *found == leading_over(&path)
    }

    /// The marks that a table shows: those of services of the range that have
    /// one real server and nothing to choose.
    pub(crate) fn found(config: &Config, table: &State) -> Self {
        let marks = config.director.probe_mark;
        let mut found = BTreeMap::new();
        for (key, state) in &table.services {
            let ServiceKey::Fwmark { mark, family } = *key else {
                continue;
            };
            if let (true, Some((real_server, destination)), 1) = (
                is_for_paths(marks, mark),
                state.destinations.first_key_value(),
                state.destinations.len(),
            ) {
                let path = ProbePath {
                    family,
                    real_server: real_server.0.ip(),
                    forwarding: destination.forwarding,
                };
                found.entry(path).or_insert(mark);
            }
        }
        Self {
            canary: marks.mark(0).filter(|_| !found.is_empty()),
            numbers: found,
        }
    }

    /// The marks by their paths.
    pub(crate) const fn by_path(&self) -> &BTreeMap<ProbePath, NonZeroU32> {
        &self.numbers
    }

    /// The service that leads over a path.
    pub(crate) fn service(&self, path: &ProbePath) -> Option<ServiceKey> {
        let (mark, family) = (*self.numbers.get(path)?, path.family);
        Some(ServiceKey::Fwmark { mark, family })
    }

    /// The service that leads nowhere.
    pub(crate) fn canary(&self, family: Family) -> Option<ServiceKey> {
        let mark = self.canary?;
        Some(ServiceKey::Fwmark { mark, family })
    }

    /// What the table needs for them.
    pub(crate) fn services(&self) -> BTreeMap<ServiceKey, ServiceState> {
        let mut services = BTreeMap::new();
        for (path, mark) in &self.numbers {
            let family = path.family;
            if let Some(canary) = self.canary {
                let key = ServiceKey::Fwmark {
                    mark: canary,
                    family,
                };
                services.insert(key, round_robin(BTreeMap::new()));
            }
            let key = ServiceKey::Fwmark {
                mark: *mark,
                family,
            };
            services.insert(key, leading_over(path));
        }
        services
    }
}

fn is_for_paths(marks: ProbeMark, mark: NonZeroU32) -> bool {
    marks.number(mark).is_some_and(|number| number != 0)
}

pub(super) fn leading_over(path: &ProbePath) -> ServiceState {
    let destination = Destination {
        forwarding: path.forwarding,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    // The port is that of the packet: the mark takes in all ports.
    let real_server = RealServerKey((path.real_server, 0).into());
    round_robin(BTreeMap::from([(real_server, destination)]))
}

fn round_robin(destinations: BTreeMap<RealServerKey, Destination>) -> ServiceState {
    ServiceState {
        service: Service {
            scheduler: Scheduler::round_robin(),
            flags: ServiceFlags::default(),
            persistence: None,
        },
        destinations,
    }
}

fn paths(config: &Config) -> BTreeSet<ProbePath> {
    let services = config.virtual_services.iter();
    let paths = services.flat_map(|service| {
        let probed = service.checked();
        let probed = probed.filter(|(_, check)| check.via.through_vip());
        probed.map(|(key, _)| service.path(key))
    });
    paths.collect()
}

#[cfg(test)]
mod tests;
