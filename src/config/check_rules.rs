//! What must hold between a check, the forwarding of the real servers that it decides on, and their
//! service.

use std::collections::BTreeSet;

use crate::model::{Forwarding, Protocol, ServiceKey};

use super::checked_members::{checked_members, is_check_taken};
use super::problem::Problems;
use super::service::ServiceDraft;

/// The default check asks over TCP, which says nothing of what UDP and SCTP serve.
pub(super) fn chosen(service: &ServiceDraft, problems: &mut Problems) {
    let (true, Ok(ServiceKey::Address { protocol, .. })) = (
        service.check_is_default && is_check_taken(service),
        service.key.map(|key| key.value),
    ) else {
        return;
    };
    let hint = match protocol {
        Protocol::Tcp => return,
        Protocol::Udp => {
            "choose one, such as `check: { udp: { send: \"…\", expect: \"…\" } }`, \
             `check: { dns: { name: … } }` or `check: { exec: { command: […] } }`"
        }
        Protocol::Sctp => {
            "choose one, such as `check: { exec: { command: […] } }` or `check: { ping: {} }`"
        }
    };
    let location = service.check_location.unwrap_or(service.location);
    let message =
        format!("a service of {protocol} needs a check of its own, and the file says none");
    problems.add(location, message, hint);
}

/// With direct routing and tunnels each real server has the VIP itself, and
/// sends what it answers to it to nobody else.
pub(super) fn source(service: &ServiceDraft, problems: &mut Problems) {
    let Ok(key) = service.key else {
        return;
    };
    let vip = key.value.vip();
    let mut reported = BTreeSet::new();
    for member in checked_members(service) {
        let has_vip = matches!(
            member.forwarding,
            Ok(Forwarding::Direct | Forwarding::Tunnel(_))
        );
        let source = member.check.origin.source;
        let Some(source) = source.filter(|source| has_vip && Some(*source) == vip) else {
            continue;
        };
        if !reported.insert(member.location) {
            continue;
        }
        problems.add(
            member.keys.key("source"),
            format!(
                "the check's `source` {source} is the VIP, which each real server has itself: \
                 no answer would come back"
            ),
            "write an address that is this host's alone, or remove `source`",
        );
    }
}

/// A real server that is masqueraded while its service is not has no VIP through which the
/// service's check could ask.
pub(super) fn through_vip(service: &ServiceDraft, problems: &mut Problems) {
    let mut reported = BTreeSet::new();
    for member in checked_members(service) {
        let (Some(location), Ok(Forwarding::Masquerade), Some(name)) = (
            member.own_forwarding.filter(|_| !member.has_own_check),
            member.forwarding,
            member.check.via.name(),
        ) else {
            continue;
        };
        if reported.insert(location) {
            problems.add(
                location,
                format!(
                    "with `forwarding: masquerade` this one has no VIP, and the virtual service's \
                     check asks through it (`via: {name}`)"
                ),
                "give this one a `check` of its own, which asks its own address",
            );
        }
    }
}

/// A real server's own agent can be asked only for a VIP that its configuration has.
pub(super) fn agents(service: &ServiceDraft, problems: &mut Problems) {
    let mut misused = BTreeSet::new();
    let is_mark = matches!(
        service.key.map(|key| key.value),
        Ok(ServiceKey::Fwmark { .. })
    );
    for member in checked_members(service) {
        let masquerades = matches!(member.forwarding, Ok(Forwarding::Masquerade));
        let (why, location) = if is_mark {
            ("a firewall mark", member.keys.kind())
        } else if masquerades && member.has_own_check {
            ("`forwarding: masquerade`", member.location)
        } else if masquerades {
            let own = member.own_forwarding;
            (
                "`forwarding: masquerade`",
                own.unwrap_or(member.keys.kind()),
            )
        } else {
            continue;
        };
        if member.check.kind.agent_port().is_some() && misused.insert(location) {
            let message = format!("the check `agent` does not go with {why}");
            let hint = "it asks the real server whether it has the VIP, and this service names \
                        none to it: use another check, such as `http`";
            problems.add(location, message, hint);
        }
    }
}
