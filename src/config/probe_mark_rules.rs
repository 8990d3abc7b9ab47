//! What must hold between `director.probe_mark` and the services, and between the source of a check
//! and the VIP through which it asks.

use std::collections::BTreeSet;

use crate::model::{Family, ProbePath, ServiceKey};

use super::checked_members::{CheckedMember, checked_members};
use super::probe_mark::ProbeMark;
use super::problem::Problems;
use super::service::ServiceDraft;

/// No service takes the probes' marks, and there are enough of them; what
/// asks nothing through a VIP needs none.
pub(super) fn check<'d>(
    services: impl Iterator<Item = &'d ServiceDraft> + Clone,
    marks: ProbeMark,
    problems: &mut Problems,
) {
    let mut paths = BTreeSet::new();
    for service in services.clone() {
        let paths_before = paths.len();
        paths.extend(probed(service));
        let needed = u64::try_from(paths.len()).map_or(u64::MAX, |paths| paths + 1);
        if needed > marks.count() && paths.len() > paths_before {
            problems.add(
                service.location,
                format!(
                    "the checks through VIPs need more than the {} marks of `director.probe_mark`",
                    marks.count()
                ),
                "each real server and way of forwarding needs one, and one is to spare: \
                 give `mask` more bits",
            );
            break;
        }
    }
    if paths.is_empty() {
        return;
    }
    for key in services.filter_map(|service| service.key.ok()) {
        if let ServiceKey::Fwmark { mark, .. } = key.value
            && marks.number(mark).is_some()
        {
            problems.add(
                key.location,
                format!(
                    "the firewall mark {mark} is one of `director.probe_mark`: \
                     probes through VIPs carry it"
                ),
                "choose another mark here, or another `base` there",
            );
        }
    }
}

fn probed(service: &ServiceDraft) -> impl Iterator<Item = ProbePath> {
    checked_members(service).filter_map(|member| path(service, &member))
}

/// The path of the probes of a real server through the VIP, if there are any.
fn path(service: &ServiceDraft, member: &CheckedMember<'_>) -> Option<ProbePath> {
    let (key, forwarding) = (service.key.ok()?, member.forwarding.ok()?);
    let real_server = member.address.ok()?.value;
    member.check.via.through_vip().then_some(ProbePath {
        family: key.value.family(),
        real_server,
        forwarding,
    })
}

/// A tunnel across families leaves no way to tell from which address of this
/// host to speak to the VIP.
pub(super) fn check_source(service: &ServiceDraft, problems: &mut Problems) {
    let Ok(key) = service.key else {
        return;
    };
    let family = key.value.family();
    let mut reported = BTreeSet::new();
    for member in checked_members(service) {
        if !member.check.via.through_vip() || reported.contains(&member.location) {
            continue;
        }
        let location = if member.has_own_check {
            member.location
        } else {
            service.location
        };
        if let Some(source) = member.check.origin.source {
            if Family::from(source) == family {
                continue;
            }
            let of_source = member.keys.key("source");
            let is_default = problems.is_of_defaults(of_source);
            problems.add(
                if is_default { of_source } else { location },
                format!(
                    "the check's `source` {source} is not of the VIP's family, through which it \
                     asks"
                ),
                "write an address of this host of the VIP's family",
            );
        } else if let Some(path) = path(service, &member)
            && Family::from(path.real_server) != family
        {
            problems.add(
                location,
                format!(
                    "the check asks {} through a VIP of the other family, and needs `source`",
                    path.real_server
                ),
                "add `source` to the check: this host's own address of the VIP's family",
            );
        } else {
            continue;
        }
        reported.insert(member.location);
    }
}
