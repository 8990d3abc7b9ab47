//! An entry of `real_servers`, and what a real server or sorry server may have of its own:
//! `check`, `forwarding` and `tunnel`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{Forwarding, RealServerKey, ServiceKey, Weight};

use super::check::{WrittenCheck, check, via_allowed_by};
use super::declaration::REAL_SERVER;
use super::fields::Fields;
use super::node::{Entry, Located, Location, Node};
use super::problem::{Parsed, Problems};
use super::range::{Addresses, ExpansionBudget, real_server_name};
use super::{Check, RealServer, ipvs};

/// A real server as it was read.
#[derive(Clone)]
pub(super) struct RealServerDraft {
    pub(super) location: Location,
    pub(super) name: Parsed<Located<Arc<str>>>,
    pub(super) address: Parsed<Located<IpAddr>>,
    /// `None` for the service's.
    pub(super) port: Parsed<Option<Located<u16>>>,
    /// `None` for the service's.
    pub(super) forwarding: Parsed<Option<Located<Forwarding>>>,
    /// `None` for the service's.
    pub(super) check: Parsed<Option<OwnCheck>>,
    pub(super) weight: Parsed<Weight>,
    /// Upper and lower.
    thresholds: Parsed<(u32, u32)>,
}

/// A check that a real server or sorry server has of its own.
#[derive(Clone)]
pub(super) struct OwnCheck {
    pub(super) check: Arc<Check>,
    pub(super) location: Location,
}

/// A real server, and where its own check is, which is read for each VIP of the service.
pub(super) struct Listed<'n> {
    draft: RealServerDraft,
    check: Parsed<Option<&'n Entry>>,
}

/// The real servers of one entry: one for each of its addresses. `forwarding` is the service's.
pub(super) fn real_server<'n>(
    node: &'n Node,
    forwarding: Parsed<Forwarding>,
    budget: &mut ExpansionBudget,
    problems: &mut Problems,
) -> Parsed<Vec<Listed<'n>>> {
    let fields = Fields::read(node, &REAL_SERVER, problems)?;
    let name = fields.name(problems);
    let addresses = fields.value("address", problems).and_then(|value| {
        let location = value.node.location;
        let value = value.host_addresses(problems)?;
        Ok(Located { value, location })
    });
    let port = fields.maybe("port", |value| {
        let location = value.node.location;
        let value = value.integer(problems)?;
        Ok(Located { value, location })
    });
    let forwarding = ipvs::own_forwarding(&fields, forwarding, problems);
    let weight = fields.integer("weight", problems);
    let weight = weight.map(|weight| Weight::new(weight).unwrap_or(Weight::MAX));
    let (address, range) = match addresses {
        Ok(Located { value, location }) => match value {
            Addresses::One(value) => (Ok(Located { value, location }), None),
            Addresses::Range(range) => {
                budget.take(range.count(), location, problems)?;
                let value = range.first();
                (Ok(Located { value, location }), Some((range, location)))
            }
        },
        Err(reported) => (Err(reported), None),
    };
    let check = fields.optional("check");
    let one = RealServerDraft {
        location: fields.location,
        name: name.clone(),
        address,
        port,
        forwarding,
        check: Ok(None),
        weight,
        thresholds: ipvs::thresholds(&fields, problems),
    };
    let Some((range, location)) = range else {
        return Ok(vec![Listed { draft: one, check }]);
    };
    let listed = |value| Listed {
        draft: RealServerDraft {
            name: name
                .as_ref()
                .map_err(|reported| *reported)
                .and_then(|name| real_server_name(name, value, problems)),
            address: Ok(Located { value, location }),
            ..one.clone()
        },
        check,
    };
    Ok(range.addresses().map(listed).collect())
}

/// The real servers of the service with this key and forwarding. Those of one range share a check.
pub(super) fn with_checks(
    listed: &[Parsed<Listed<'_>>],
    service: Parsed<ServiceKey>,
    forwarding: Parsed<Forwarding>,
    problems: &mut Problems,
) -> Vec<Parsed<RealServerDraft>> {
    let mut last: Option<(Location, Parsed<Option<OwnCheck>>)> = None;
    let drafts = listed.iter().map(|listed| {
        let Listed { draft, check } = listed.as_ref().map_err(|reported| *reported)?;
        let known = last
            .as_ref()
            .filter(|(location, _)| *location == draft.location);
        let check = match known {
            Some((_, check)) => check.clone(),
            None => check.and_then(|entry| {
                let forwarding = draft.forwarding_or(forwarding);
                let own = |entry| own_check(entry, service, forwarding, problems);
                entry.map(own).transpose()
            }),
        };
        last = Some((draft.location, check.clone()));
        Ok(RealServerDraft {
            check,
            ..draft.clone()
        })
    });
    drafts.collect()
}

/// The check of a real server with this forwarding. The check is whole: what is not written has
/// its default, and nothing comes from the service's check.
fn own_check(
    entry: &Entry,
    service: Parsed<ServiceKey>,
    forwarding: Parsed<Forwarding>,
    problems: &mut Problems,
) -> Parsed<OwnCheck> {
    let location = entry.key.location;
    if !WrittenCheck::alone(Some(entry)).says_kind() {
        return Err(problems.add(
            location,
            "the real server's own check says no kind, and takes nothing from the virtual \
             service's check",
            "write the whole check, such as `check: { tcp: {}, interval: 5s }`, or `check: none`",
        ));
    }
    read_own(entry, service, forwarding, problems)
}

/// The same for a check that may be of the default kind.
pub(super) fn read_own(
    entry: &Entry,
    service: Parsed<ServiceKey>,
    forwarding: Parsed<Forwarding>,
    problems: &mut Problems,
) -> Parsed<OwnCheck> {
    let written = WrittenCheck::alone(Some(entry));
    via_allowed_by(forwarding, written, problems)?;
    let vip = service.ok().and_then(|key| key.address());
    let check = check(written, vip, problems)?;
    let check = match service {
        Ok(service) => check.of_service(service),
        Err(_) => check,
    };
    Ok(OwnCheck {
        check: Arc::new(check),
        location: entry.key.location,
    })
}

impl RealServerDraft {
    /// The real server's forwarding in a service with this one.
    pub(super) fn forwarding_or(&self, of_service: Parsed<Forwarding>) -> Parsed<Forwarding> {
        self.forwarding?.map_or(of_service, |own| Ok(own.value))
    }

    /// Whether the real server has no check of its own.
    pub(super) fn takes_services_check(&self) -> bool {
        matches!(self.check, Ok(None))
    }

    pub(super) fn finish(self, service_port: u16) -> Parsed<RealServer> {
        let port = self.port?.map_or(service_port, |port| port.value);
        let (upper_threshold, lower_threshold) = self.thresholds?;
        Ok(RealServer {
            name: self.name?.value,
            key: RealServerKey(SocketAddr::new(self.address?.value, port)),
            forwarding: self.forwarding?.map(|own| own.value),
            check: self.check?.map(|own| own.check),
            weight: self.weight?,
            upper_threshold,
            lower_threshold,
        })
    }
}
