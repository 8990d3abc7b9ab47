//! The state of the kernel, as desired or observed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Step, Subject};
use litemap::LiteMap;

use crate::model::{
    Destination, LocalAddress, RealServerKey, Service, ServiceKey, SysctlKey, Timeout, Weight,
};

/// The part of the kernel that this agent manages, as observed or desired.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The IPVS table.
    pub services: BTreeMap<ServiceKey, ServiceState>,
    /// The VIPs on interfaces of this host.
    pub addresses: BTreeSet<LocalAddress>,
    /// Kernel parameters; an observed state has only those that exist.
    pub sysctls: BTreeMap<SysctlKey, String>,
    /// Time-outs of the table, in seconds; an observed state has only those that exist.
    pub timeouts: BTreeMap<Timeout, u32>,
}

/// A virtual service with its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Its own properties.
    pub service: Service,
    /// Its real servers.
    pub destinations: LiteMap<RealServerKey, Destination>,
}

impl State {
    /// The weight of a real server of a virtual service, if it is there.
    pub fn weight(&self, service: &ServiceKey, real_server: &RealServerKey) -> Option<Weight> {
        let state = self.services.get(service)?;
        Some(state.destinations.get(real_server)?.weight)
    }

    /// Whether this state has an object.
    pub fn has(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Sysctl(key) => self.sysctls.contains_key(key),
            Subject::Timeout(timeout) => self.timeouts.contains_key(timeout),
            Subject::Service(key) => self.services.contains_key(key),
            Subject::Destination(service, key) => self.weight(service, key).is_some(),
            Subject::Address(address) => self.addresses.contains(address),
        }
    }

    /// Changes this state as `step` changes the kernel: a destination without its
    /// service changes nothing.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::SetSysctl { key, to, .. } | Step::RestoreSysctl { key, to, .. } => {
                self.sysctls.insert(key.clone(), to.clone());
            }
            Step::SetTimeout { timeout, to, .. } | Step::RestoreTimeout { timeout, to, .. } => {
                self.timeouts.insert(*timeout, *to);
            }
            Step::AddService { key, service } => {
                let destinations = LiteMap::new();
                self.services.insert(
                    *key,
                    ServiceState {
                        service: service.clone(),
                        destinations,
                    },
                );
            }
            Step::SetService { key, to, .. } => {
                if let Some(state) = self.services.get_mut(key) {
                    state.service = to.clone();
                }
            }
            Step::RemoveService { key } => {
                self.services.remove(key);
            }
            Step::AddDestination {
                service,
                key,
                destination: to,
            }
            | Step::SetDestination {
                service, key, to, ..
            } => {
                if let Some(state) = self.services.get_mut(service) {
                    state.destinations.insert(*key, *to);
                }
            }
            Step::RemoveDestination { service, key } => {
                if let Some(state) = self.services.get_mut(service) {
                    state.destinations.remove(key);
                }
            }
            Step::AddAddress(address) => {
                self.addresses.insert(address.clone());
            }
            Step::RemoveAddress(address) => {
                self.addresses.remove(address);
            }
        }
    }
}
