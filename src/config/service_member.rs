//! What holds for each real server of a virtual service: its own check and forwarding, or the
//! service's.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::{Forwarding, ProbePath, RealServerKey};

use super::{Check, RealServer, VirtualService};

/// A real server or sorry server of a virtual service, and what holds for this one.
#[derive(Debug, Clone, Copy)]
pub struct ServiceMember<'c> {
    /// What the kernel knows it by.
    pub key: RealServerKey,
    /// What it must pass: its own check, or the service's.
    pub check: &'c Arc<Check>,
    /// How packets reach it: its own way, or the service's.
    pub forwarding: Forwarding,
}

impl ServiceMember<'_> {
    /// Its own address (the RIP).
    pub fn address(&self) -> IpAddr {
        self.key.0.ip()
    }
}

impl VirtualService {
    /// The clients' way to a real server or sorry server of it.
    pub(crate) fn path(&self, member: ServiceMember<'_>) -> ProbePath {
        ProbePath {
            family: self.key.family(),
            real_server: member.address(),
            forwarding: member.forwarding,
        }
    }

    /// All that may be in the table, in the order in which
    /// [`crate::model::RealServerId`] numbers it: the real servers, then the
    /// sorry server.
    pub fn members(&self) -> impl Iterator<Item = ServiceMember<'_>> {
        let real_servers = self.real_servers.iter();
        let real_servers = real_servers.map(|real_server| self.member(real_server));
        real_servers.chain(self.sorry_member())
    }

    /// What holds for a real server of it.
    pub(crate) fn member<'c>(&'c self, real_server: &'c RealServer) -> ServiceMember<'c> {
        ServiceMember {
            key: real_server.key,
            check: real_server.check.as_ref().unwrap_or(&self.check),
            forwarding: real_server.forwarding.unwrap_or(self.forwarding),
        }
    }

    /// What holds for its sorry server.
    pub(crate) fn sorry_member(&self) -> Option<ServiceMember<'_>> {
        let sorry_server = self.pool.sorry_server.as_ref()?;
        Some(ServiceMember {
            key: sorry_server.key,
            check: &sorry_server.check,
            forwarding: sorry_server.forwarding.unwrap_or(self.forwarding),
        })
    }

    /// The ways in which packets reach the host with this address; of all its real servers where
    /// there is no address.
    pub(crate) fn forwardings(&self, address: Option<IpAddr>) -> BTreeSet<Forwarding> {
        let members = self.members();
        let there = members.filter(|member| address.is_none_or(|ip| member.address() == ip));
        there.map(|member| member.forwarding).collect()
    }
}
