//! The steps from an observed state to a desired one.

use super::{ServiceState, State, Step, in_safe_order};
use crate::model::ServiceKey;

/// The steps that turn `actual` into `desired`, in safe order.
///
/// Everything in `actual` that `desired` lacks is removed, so `actual` must hold
/// only what this agent owns. A kernel parameter or a time-out cannot be
/// removed: without a desired value it is left unchanged.
pub fn diff(desired: &State, actual: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    for (key, to) in &desired.sysctls {
        let from = actual.sysctls.get(key);
        if !from.is_some_and(|from| key.is_satisfied(from, to)) {
            steps.push(Step::SetSysctl {
                key: key.clone(),
                from: from.cloned(),
                to: to.clone(),
            });
        }
    }
    for (timeout, to) in &desired.timeouts {
        let from = actual.timeouts.get(timeout);
        if from != Some(to) {
            steps.push(Step::SetTimeout {
                timeout: *timeout,
                from: from.copied(),
                to: *to,
            });
        }
    }
    for (key, desired) in &desired.services {
        diff_service(*key, desired, actual.services.get(key), &mut steps);
    }
    for key in actual
        .services
        .keys()
        .filter(|key| !desired.services.contains_key(key))
    {
        steps.push(Step::RemoveService { key: *key });
    }
    steps.extend(
        desired
            .addresses
            .difference(&actual.addresses)
            .cloned()
            .map(Step::AddAddress),
    );
    steps.extend(
        actual
            .addresses
            .difference(&desired.addresses)
            .cloned()
            .map(Step::RemoveAddress),
    );
    in_safe_order(steps)
}

fn diff_service(
    key: ServiceKey,
    desired: &ServiceState,
    actual: Option<&ServiceState>,
    steps: &mut Vec<Step>,
) {
    match actual {
        None => steps.push(Step::AddService {
            key,
            service: desired.service.clone(),
        }),
        Some(actual) if actual.service != desired.service => steps.push(Step::SetService {
            key,
            from: actual.service.clone(),
            to: desired.service.clone(),
        }),
        Some(_) => {}
    }
    for (real_server, to) in desired.destinations.iter() {
        let from = actual.and_then(|actual| actual.destinations.get(real_server));
        match from {
            None => steps.push(Step::AddDestination {
                service: key,
                key: *real_server,
                destination: *to,
            }),
            Some(from) if from != to => steps.push(Step::SetDestination {
                service: key,
                key: *real_server,
                from: *from,
                to: *to,
            }),
            Some(_) => {}
        }
    }
    let extra = actual
        .into_iter()
        .flat_map(|actual| actual.destinations.keys());
    for real_server in extra.filter(|key| !desired.destinations.contains_key(key)) {
        steps.push(Step::RemoveDestination {
            service: key,
            key: *real_server,
        });
    }
}

#[cfg(test)]
mod tests;
