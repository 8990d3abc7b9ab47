//! The firewall marks of probes through VIPs. Pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use litemap::LiteMap;

use crate::config::{Config, ProbeMark};
use crate::model::{
    Destination, Family, ProbePath, RealServerKey, Scheduler, Service, ServiceFlags, ServiceKey,
    Weight,
};
use crate::plan::{ServiceState, State};

/// The assignment of firewall marks to paths.
///
/// One mark belongs to the canary: the services of that mark have no real server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    range: ProbeMark,
    numbers: BTreeMap<ProbePath, NonZeroU32>,
    canary: Option<NonZeroU32>,
    /// The paths without a mark, because no mark is left.
    missing: BTreeSet<ProbePath>,
}

impl Marks {
    /// Assigns marks to the paths of the configuration's checks. A path that had a
    /// mark `before` keeps that mark; other paths get unused marks first. Marks of
    /// `foreign` services are not used.
    pub(crate) fn assign(config: &Config, before: &Self, foreign: &BTreeSet<ServiceKey>) -> Self {
        let range = config.director.probe_mark;
        Self::of_paths(range, paths(config), before, foreign)
    }

    /// The same paths with other `foreign` services.
    pub(crate) fn again(&self, foreign: &BTreeSet<ServiceKey>) -> Self {
        let paths = self.numbers.keys().chain(&self.missing).copied().collect();
        Self::of_paths(self.range, paths, self, foreign)
    }

    /// The canary has priority: without a canary, no probe is verified.
    fn of_paths(
        range: ProbeMark,
        paths: BTreeSet<ProbePath>,
        before: &Self,
        foreign: &BTreeSet<ServiceKey>,
    ) -> Self {
        if paths.is_empty() {
            return Self::default();
        }
        let foreign: BTreeSet<_> = foreign.iter().filter_map(mark).collect();
        let is_free = |mark: &NonZeroU32| range.number(*mark).is_some() && !foreign.contains(mark);
        let all = || {
            let all = (0..).map_while(|number| range.mark(number));
            all.filter(is_free)
        };
        let mut numbers: BTreeMap<_, _> = before
            .numbers
            .iter()
            .filter(|(path, mark)| paths.contains(path) && is_free(mark))
            .map(|(path, mark)| (*path, *mark))
            .collect();
        let kept: BTreeSet<_> = numbers.values().copied().collect();
        let canary = before.canary.filter(is_free);
        let canary = canary.or_else(|| all().find(|mark| !kept.contains(mark)));
        let canary = canary.or_else(|| all().next());
        numbers.retain(|_, mark| Some(*mark) != canary);

        let rest = || all().filter(|mark| Some(*mark) != canary && !kept.contains(mark));
        let given_up: BTreeSet<_> = before.numbers.values().chain(&before.canary).collect();
        let fresh = rest().filter(|mark| !given_up.contains(mark));
        let once_more = rest().filter(|mark| given_up.contains(mark));
        let mut left = fresh.chain(once_more);
        let mut missing = BTreeSet::new();
        for path in paths {
            if let Entry::Vacant(place) = numbers.entry(path) {
                match left.next() {
                    Some(mark) => {
                        place.insert(mark);
                    }
                    None => {
                        missing.insert(path);
                    }
                }
            }
        }
        Self {
            range,
            numbers,
            canary,
            missing,
        }
    }

    /// The marks in the agent's own part of a table: of the services of the range,
    /// those with exactly one real server, and the first without one.
    pub(crate) fn found(config: &Config, own: &State) -> Self {
        let range = config.director.probe_mark;
        let mut found = Self {
            range,
            ..Self::default()
        };
        for (key, state) in &own.services {
            let Some(mark) = mark(key).filter(|mark| range.number(*mark).is_some()) else {
                continue;
            };
            let mut destinations = state.destinations.iter();
            match (destinations.next(), destinations.next()) {
                (None, _) => {
                    found.canary.get_or_insert(mark);
                }
                (Some((real_server, destination)), None) => {
                    let path = ProbePath {
                        family: key.family(),
                        real_server: real_server.0.ip(),
                        forwarding: destination.forwarding,
                    };
                    found.numbers.entry(path).or_insert(mark);
                }
                (Some(_), Some(_)) => {}
            }
        }
        found
    }

    /// Whether this path has no mark because no mark is left.
    pub(crate) fn lacks(&self, path: &ProbePath) -> bool {
        self.missing.contains(path)
    }

    /// A sentence about the paths without a mark, if there are any.
    pub(crate) fn shortage(&self) -> Option<String> {
        let mut missing = self.missing.iter();
        let first = missing.next()?;
        let named = match missing.len() {
            0 => first.to_string(),
            more => format!("{first}, and {more} more"),
        };
        let few = self.missing.len();
        let all = self.numbers.len() + few;
        Some(format!(
            "no mark of `director.probe_mark` is left for {few} of {all} ways to real servers \
             ({named}): probes through VIPs over them stay unverified"
        ))
    }

    /// The marks by their paths.
    #[cfg(test)]
    pub(crate) const fn by_path(&self) -> &BTreeMap<ProbePath, NonZeroU32> {
        &self.numbers
    }

    /// The service of a path.
    pub(crate) fn service(&self, path: &ProbePath) -> Option<ServiceKey> {
        let (mark, family) = (*self.numbers.get(path)?, path.family);
        Some(ServiceKey::Fwmark { mark, family })
    }

    /// The service of the canary, which has no real server.
    pub(crate) fn canary(&self, family: Family) -> Option<ServiceKey> {
        let mark = self.canary?;
        Some(ServiceKey::Fwmark { mark, family })
    }

    /// The services that the table needs for these marks.
    pub(crate) fn services(&self) -> BTreeMap<ServiceKey, ServiceState> {
        let mut services = BTreeMap::new();
        for (path, mark) in &self.numbers {
            let family = path.family;
            if let Some(canary) = self.canary {
                let key = ServiceKey::Fwmark {
                    mark: canary,
                    family,
                };
                services.insert(key, round_robin(LiteMap::new()));
            }
            let key = ServiceKey::Fwmark {
                mark: *mark,
                family,
            };
            services.insert(key, service_for_path(path));
        }
        services
    }
}

fn mark(service: &ServiceKey) -> Option<NonZeroU32> {
    match service {
        ServiceKey::Fwmark { mark, .. } => Some(*mark),
        ServiceKey::Address { .. } => None,
    }
}

pub(crate) fn service_for_path(path: &ProbePath) -> ServiceState {
    let destination = Destination {
        forwarding: path.forwarding,
        weight: Weight::ONE,
        upper_threshold: 0,
        lower_threshold: 0,
    };
    // The port is that of the packet: a service by mark has all ports.
    let real_server = RealServerKey((path.real_server, 0).into());
    round_robin([(real_server, destination)].into_iter().collect())
}

fn round_robin(destinations: LiteMap<RealServerKey, Destination>) -> ServiceState {
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
        let members = service.members();
        let probed = members.filter(|member| member.check.via.through_vip());
        probed.map(|member| service.path(member))
    });
    paths.collect()
}

#[cfg(test)]
mod tests;
