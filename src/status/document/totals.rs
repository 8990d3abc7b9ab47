//! How many virtual services and real servers there are, by state.

use serde::{Deserialize, Serialize};

use super::Filter;
use crate::model::{AdminState, Health};
use crate::status::Snapshot;

/// The numbers of the virtual services that are asked for and of all their real servers,
/// also of those that a filter leaves out. Sorry servers do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Totals {
    pub(crate) virtual_services: usize,
    pub(crate) real_servers: usize,
    pub(crate) up: usize,
    pub(crate) down: usize,
    pub(crate) unknown: usize,
    pub(crate) draining: usize,
    pub(crate) drained: usize,
}

impl Totals {
    pub(crate) fn of(snapshot: &Snapshot, filter: &Filter) -> Self {
        let mut totals = Self::default();
        for service in &snapshot.services {
            let is_whole = filter.includes_service(service);
            let real_servers = service.real_servers.iter();
            let included =
                real_servers.filter(|one| is_whole || filter.includes_real_server(service, one));
            let before = totals.real_servers;
            for real_server in included {
                let live = real_server.live.lock();
                let (health, admin) = (live.health, live.admin);
                drop(live);
                totals.add(health, admin);
            }
            totals.virtual_services += usize::from(is_whole || totals.real_servers > before);
        }
        totals
    }

    fn add(&mut self, health: Health, admin: AdminState) {
        self.real_servers += 1;
        match health {
            Health::Up => self.up += 1,
            Health::Down => self.down += 1,
            Health::Unknown => self.unknown += 1,
        }
        match admin {
            AdminState::Enabled => {}
            AdminState::Draining => self.draining += 1,
            AdminState::Drained => self.drained += 1,
        }
    }
}
