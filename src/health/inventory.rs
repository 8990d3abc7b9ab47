//! The virtual services and real servers of a configuration, by their numbers. Pure.

use std::sync::Arc;

use super::log_line::Names;
use crate::config::{Config, ServiceMember, SorryServer, VirtualService};
use crate::diagnosis::DiagnosisSubject;
use crate::model::{MemberKey, RealServerId};

/// What health looks up of a configuration. The sorry server's number is after the last real
/// server's.
#[derive(Debug)]
pub(super) struct Inventory {
    config: Arc<Config>,
}

impl Inventory {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self { config }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn services(&self) -> &[VirtualService] {
        &self.config.virtual_services
    }

    pub(super) fn service(&self, id: RealServerId) -> Option<&VirtualService> {
        self.services().get(id.service_index())
    }

    /// Every real server and sorry server.
    pub(super) fn ids(&self) -> impl Iterator<Item = (MemberKey, RealServerId)> {
        (0..).zip(self.services()).flat_map(|(service, found)| {
            (0..)
                .zip(found.members())
                .map(move |(real_server, member)| {
                    let id = RealServerId {
                        service,
                        real_server,
                    };
                    ((found.key, member.key), id)
                })
        })
    }

    pub(super) fn key(&self, id: RealServerId) -> Option<MemberKey> {
        let service = self.service(id)?;
        Some((service.key, member(service, id)?.key))
    }

    pub(super) fn is_sorry_server(&self, id: RealServerId) -> bool {
        let service = self.service(id);
        service.is_some_and(|service| service.real_servers.len() == id.real_server_index())
    }

    /// Whether the real server has `check: none`.
    pub(super) fn is_unchecked(&self, id: RealServerId) -> bool {
        let member = self.service(id).and_then(|service| member(service, id));
        member.is_some_and(|member| !member.check.kind.asks())
    }

    pub(super) fn names(&self, id: RealServerId) -> Option<Names> {
        let service = self.service(id)?;
        let real_server = match service.real_servers.get(id.real_server_index()) {
            Some(real_server) => Arc::clone(&real_server.name),
            None => SorryServer::NAME.into(),
        };
        Some(Names {
            service: Arc::clone(&service.name),
            real_server,
        })
    }

    /// Where the real server serves, for the fix of what is wrong with it.
    pub(super) fn subject(&self, id: RealServerId) -> Option<DiagnosisSubject> {
        let service = self.service(id)?;
        let member = member(service, id)?;
        let port = member.key.0.port();
        Some(DiagnosisSubject {
            service: service.key,
            forwarding: member.forwarding,
            real_server: member.address(),
            port: match member.check.kind.clients_port(port) {
                0 => port,
                checked => checked,
            },
        })
    }
}

fn member(service: &VirtualService, id: RealServerId) -> Option<ServiceMember<'_>> {
    let index = id.real_server_index();
    match service.real_servers.get(index) {
        Some(real_server) => Some(service.member(real_server)),
        None if index == service.real_servers.len() => service.sorry_member(),
        None => None,
    }
}
