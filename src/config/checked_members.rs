//! Which check decides on which real server of a draft, and how packets reach that one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::Forwarding;

use super::Check;
use super::check::WrittenKey;
use super::node::{Located, Location};
use super::problem::Parsed;
use super::real_server_entry::RealServerDraft;
use super::service::ServiceDraft;

/// A real server or sorry server with the check that decides on it.
pub(super) struct CheckedMember<'d> {
    pub(super) address: Parsed<Located<IpAddr>>,
    pub(super) check: &'d Check,
    /// Where the check is written; the service where it is the default.
    pub(super) location: Location,
    /// Where the keys of the service's check are; none of a check of its own.
    pub(super) keys: CheckKeys<'d>,
    /// Whether the check is its own, and not the service's.
    pub(super) has_own_check: bool,
    pub(super) forwarding: Parsed<Forwarding>,
    /// Where its own forwarding is written, if it has one.
    pub(super) own_forwarding: Option<Location>,
}

/// Where the keys of a check are, some of which may come from `defaults`.
#[derive(Clone, Copy)]
pub(super) struct CheckKeys<'d> {
    /// Where the check itself is.
    location: Location,
    keys: &'d [WrittenKey],
}

impl<'d> CheckKeys<'d> {
    /// Where a problem with what is asked is shown: at the check, unless that takes its kind from
    /// `defaults`.
    pub(super) fn kind(self) -> Location {
        self.inherited(WrittenKey::is_kind)
    }

    /// The same of one key.
    pub(super) fn key(self, name: &str) -> Location {
        self.inherited(|key| key.name == name)
    }

    /// The key, if it is written.
    pub(super) fn written(self, name: &str) -> Option<&'d WrittenKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    fn inherited(self, is_meant: impl Fn(&WrittenKey) -> bool) -> Location {
        let mut keys = self.keys.iter();
        let key = keys.find(|key| key.is_inherited && is_meant(key));
        key.map_or(self.location, |key| key.location)
    }
}

/// The real servers and the sorry server whose check could be read.
pub(super) fn checked_members(service: &ServiceDraft) -> impl Iterator<Item = CheckedMember<'_>> {
    let of_service = service.check.as_ref().ok();
    let of_service = of_service.map(|check| CheckWithPlace {
        check,
        location: service.check_location.unwrap_or(service.location),
        keys: &service.check_keys,
    });
    let drafts = service.real_servers.iter().flatten().flatten();
    let real_servers = drafts.filter_map(move |draft| {
        let own = draft.check.as_ref().ok()?.as_ref();
        let own = own.map(|own| CheckWithPlace::own(&own.check, own.location));
        let forwarding = (draft.forwarding_or(service.forwarding), draft.forwarding);
        member(draft.address, own, of_service, forwarding)
    });
    let sorry_server = service.pool.sorry_server.as_ref().ok();
    let sorry_server = sorry_server.and_then(Option::as_ref).and_then(|draft| {
        let own = draft.check.as_ref().ok()?.as_ref();
        let own = own.map(|own| CheckWithPlace::own(&own.check, draft.location));
        let forwarding = (draft.forwarding_or(service.forwarding), draft.forwarding);
        member(draft.address, own, of_service, forwarding)
    });
    real_servers.chain(sorry_server)
}

/// A check, and where the check and its keys are written.
#[derive(Clone, Copy)]
struct CheckWithPlace<'d> {
    check: &'d Check,
    location: Location,
    keys: &'d [WrittenKey],
}

impl<'d> CheckWithPlace<'d> {
    /// A check that takes nothing from `defaults`.
    const fn own(check: &'d Check, location: Location) -> Self {
        Self {
            check,
            location,
            keys: &[],
        }
    }
}

/// `forwarding` is what holds, and what is the member's own.
fn member<'d>(
    address: Parsed<Located<IpAddr>>,
    own: Option<CheckWithPlace<'d>>,
    of_service: Option<CheckWithPlace<'d>>,
    forwarding: (Parsed<Forwarding>, Parsed<Option<Located<Forwarding>>>),
) -> Option<CheckedMember<'d>> {
    let CheckWithPlace {
        check,
        location,
        keys,
    } = own.or(of_service)?;
    let (forwarding, own_forwarding) = forwarding;
    Some(CheckedMember {
        address,
        check,
        location,
        keys: CheckKeys { location, keys },
        has_own_check: own.is_some(),
        forwarding,
        own_forwarding: own_forwarding.ok().flatten().map(|own| own.location),
    })
}

/// Each check that decides on something, and where its keys are written.
pub(super) fn checks(service: &ServiceDraft) -> impl Iterator<Item = (&Check, CheckKeys<'_>)> {
    let mut seen = BTreeSet::new();
    checked_members(service)
        .filter(move |member| seen.insert(member.location))
        .map(|member| (member.check, member.keys))
}

/// Whether the service's check decides on any real server or sorry server.
pub(super) fn is_check_taken(service: &ServiceDraft) -> bool {
    let Ok(real_servers) = &service.real_servers else {
        return true;
    };
    let mut real_servers = real_servers.iter();
    let sorry_server = service.pool.sorry_server.as_ref().ok();
    let sorry_server = sorry_server.and_then(Option::as_ref);
    let takes = RealServerDraft::takes_services_check;
    real_servers.any(|draft| draft.as_ref().map_or(true, takes))
        || sorry_server.is_some_and(|draft| matches!(draft.check, Ok(None)))
}
