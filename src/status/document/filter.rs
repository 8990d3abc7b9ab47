//! Which part of a status is asked for.

use std::collections::BTreeMap;

use thiserror::Error;
use url::form_urlencoded;

use super::{ConditionStatus, ServedStatus, TransitionStatus};
use crate::model::{Candidate, ParseError, Target, UnknownTarget};
use crate::status::{LeavingRecord, RealServerRecord, ServiceRecord, Snapshot};

/// The most targets of one query: each is compared with every real server.
const MOST_TARGETS: usize = 256;

/// Which part of a status is asked for: everything by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The only virtual services and real servers, if there are any.
    pub(crate) targets: Vec<Target>,
    /// Only the virtual services, and of them the real servers, with which
    /// something is wrong.
    pub(crate) problems: bool,
}

/// A query that asks for no part of a status.
#[derive(Debug, Error)]
pub(crate) enum QueryError {
    /// Something else is asked for.
    #[error("/status takes ?service=NAME, ?target=TARGET and ?problems, and nothing else")]
    Unknown,
    /// Too many targets.
    #[error(
        "a status of {0} targets is asked for, and {MOST_TARGETS} are the most: name fewer, a \
         whole service by `NAME/*`, or none for all"
    )]
    TooMany(usize),
    /// No target can be written like that.
    #[error(transparent)]
    Target(#[from] ParseError),
}

impl Filter {
    /// The query of `GET /status` that asks for that part; empty for everything.
    pub(crate) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for target in &self.targets {
            query.append_pair("target", &target.to_string());
        }
        if self.problems {
            query.append_key_only("problems");
        }
        query.finish()
    }

    /// What `service=NAME`, `target=TARGET`, `problems`, or several of them ask for.
    pub(crate) fn of_query(query: &str) -> Result<Self, QueryError> {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*key, &*value) {
                // The name of a service may look like an address.
                ("service", name) => filter.targets.push(format!("{name}/*").parse()?),
                ("target", target) => filter.targets.push(target.parse()?),
                ("problems", "") => filter.problems = true,
                _ => return Err(QueryError::Unknown),
            }
        }
        if filter.targets.len() > MOST_TARGETS {
            return Err(QueryError::TooMany(filter.targets.len()));
        }
        Ok(filter)
    }

    /// The first target that matches nothing.
    pub(crate) fn unknown(&self, snapshot: &Snapshot) -> Option<UnknownTarget> {
        let leaving = snapshot.leaving.lock();
        let readiness = snapshot.readiness.lock();
        let served = readiness.iter().flat_map(|record| &record.services);
        let services = snapshot.services.iter();
        let known = services.clone().flat_map(|service| {
            let real_servers = service.records();
            real_servers.map(|one| service.candidate(one))
        });
        let known = known.chain(served.map(|one| Candidate {
            service_address: Some(one.service.address),
            ..whole(&one.service.name)
        }));
        let unknown = self.targets.iter().find(|target| {
            let services = services.clone().map(|service| service_candidate(service));
            let leaving = leaving.iter().map(leaving_candidate);
            let mut all = known.clone().chain(services).chain(leaving);
            !all.any(|candidate| target.matches(&candidate))
        })?;
        Some(unknown.unknown(known))
    }

    pub(super) fn includes(&self, candidate: &Candidate<'_>) -> bool {
        let mut targets = self.targets.iter();
        self.targets.is_empty() || targets.any(|target| target.matches(candidate))
    }

    /// Whether a virtual service is asked for as a whole.
    pub(super) fn includes_service(&self, service: &ServiceRecord) -> bool {
        self.includes(&service_candidate(service))
    }

    pub(super) fn includes_real_server(
        &self,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
    ) -> bool {
        self.includes(&service.candidate(real_server))
    }

    pub(super) fn includes_leaving(&self, record: &LeavingRecord) -> bool {
        self.includes(&leaving_candidate(record))
    }

    /// Whether a transition is asked for; that of a service that is configured no longer is
    /// known by its names alone.
    pub(super) fn includes_transition(
        &self,
        snapshot: &Snapshot,
        transition: &TransitionStatus,
    ) -> bool {
        if self.targets.is_empty() {
            return true;
        }
        let mut services = snapshot.services.iter();
        let service = services.find(|one| *one.name == *transition.service);
        let found = service.and_then(|service| {
            let mut records = service.records();
            let record = records.find(|one| *one.name == *transition.real_server)?;
            Some(service.candidate(record))
        });
        self.includes(&found.unwrap_or(Candidate {
            service: &transition.service,
            service_address: None,
            real_server: &transition.real_server,
            address: None,
        }))
    }

    pub(super) fn includes_served(&self, service: &ServedStatus) -> bool {
        self.includes(&Candidate {
            service_address: service.address.parse().ok(),
            ..whole(&service.name)
        })
    }

    /// Leaves out the conditions of virtual services and real servers that are not asked for.
    pub(super) fn retain_conditions(
        &self,
        snapshot: &Snapshot,
        conditions: &mut Vec<ConditionStatus>,
    ) {
        if self.targets.is_empty() {
            return;
        }
        let services = snapshot.services.iter();
        let services: BTreeMap<&str, _> = services.map(|one| (&*one.name, one)).collect();
        conditions.retain(|condition| {
            let Some(service) = services.get(condition.service()) else {
                return true;
            };
            let is_included = |one: &RealServerRecord| self.includes_real_server(service, one);
            let name = condition.real_server();
            let real_server = service.records().find(|one| name == Some(&*one.name));
            real_server.map_or_else(
                || self.includes_service(service) || service.records().any(is_included),
                is_included,
            )
        });
    }
}

fn service_candidate(service: &ServiceRecord) -> Candidate<'_> {
    Candidate {
        service_address: service.key.address(),
        ..whole(&service.name)
    }
}

fn leaving_candidate(record: &LeavingRecord) -> Candidate<'_> {
    let service = (record.service.as_str(), record.service_key);
    Candidate::new(service, (&record.real_server, record.key))
}

/// All of a virtual service, which is none of its real servers.
fn whole(service: &str) -> Candidate<'_> {
    Candidate {
        service,
        service_address: None,
        real_server: "*",
        address: None,
    }
}
