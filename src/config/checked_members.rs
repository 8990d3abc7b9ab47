//! Which check decides on which real server of a draft, and how packets reach that one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::Forwarding;

use super::Check;
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
    /// Whether the check is its own, and not the service's.
    pub(super) has_own_check: bool,
    pub(super) forwarding: Parsed<Forwarding>,
    /// Where its own forwarding is written, if it has one.
    pub(super) own_forwarding: Option<Location>,
}

/// The real servers and the sorry server whose check could be read.
pub(super) fn checked_members(service: &ServiceDraft) -> impl Iterator<Item = CheckedMember<'_>> {
    let of_service = service.check.as_ref().ok();
    let of_service =
        of_service.map(|check| (check, service.check_location.unwrap_or(service.location)));
    let drafts = service.real_servers.iter().flatten().flatten();
    let real_servers = drafts.filter_map(move |draft| {
        let own = draft.check.as_ref().ok()?.as_ref();
        let own = own.map(|own| (&*own.check, own.location));
        let forwarding = (draft.forwarding_or(service.forwarding), draft.forwarding);
        member(draft.address, own, of_service, forwarding)
    });
    let sorry_server = service.pool.sorry_server.as_ref().ok();
    let sorry_server = sorry_server.and_then(Option::as_ref).and_then(|draft| {
        let own = draft.check.as_ref().ok()?.as_ref();
        let own = own.map(|own| (&*own.check, draft.location));
        let forwarding = (draft.forwarding_or(service.forwarding), draft.forwarding);
        member(draft.address, own, of_service, forwarding)
    });
    real_servers.chain(sorry_server)
}

/// `own` and `of_service` are checks, and where they are written; `forwarding` is what holds, and
/// what is its own.
fn member<'d>(
    address: Parsed<Located<IpAddr>>,
    own: Option<(&'d Check, Location)>,
    of_service: Option<(&'d Check, Location)>,
    forwarding: (Parsed<Forwarding>, Parsed<Option<Located<Forwarding>>>),
) -> Option<CheckedMember<'d>> {
    let (check, location) = own.or(of_service)?;
    let (forwarding, own_forwarding) = forwarding;
    Some(CheckedMember {
        address,
        check,
        location,
        has_own_check: own.is_some(),
        forwarding,
        own_forwarding: own_forwarding.ok().flatten().map(|own| own.location),
    })
}

/// Each check that decides on something, and where it is written.
pub(super) fn checks(service: &ServiceDraft) -> impl Iterator<Item = (&Check, Location)> {
    let mut seen = BTreeSet::new();
    checked_members(service)
        .filter(move |member| seen.insert(member.location))
        .map(|member| (member.check, member.location))
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
