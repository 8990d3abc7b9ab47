//! The key `director.probe_mark`, and what must hold between it and the services.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use crate::model::{Family, ProbePath, ServiceKey};

use super::checked_members::{CheckedMember, checked_members};
use super::declaration::PROBE_MARK;
use super::fields::Fields;
use super::node::Entry;
use super::problem::{Parsed, Problems};
use super::service::ServiceDraft;

/// The firewall marks that probes through VIPs carry: number `n` has the bits
/// of `n` where the mask has its own, and the base's elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeMark {
    /// The bits that all of them have. Not 0, which is no mark, and none of the mask's.
    base: NonZeroU32,
    /// The bits that tell them apart, which follow each other.
    mask: u32,
}

impl Default for ProbeMark {
    /// 0x2000 to 0x3fff: clear of kube-proxy's 0x4000 and 0x8000, of the
    /// 0xffff0000 that is Calico's default, and of the small numbers that
    /// people choose.
    fn default() -> Self {
        Self {
            base: NonZeroU32::MIN.saturating_add(0x1fff),
            mask: 0x1fff,
        }
    }
}

impl ProbeMark {
    /// `None` unless the mask's bits follow each other, and the base is not 0
    /// and has none of them.
    pub fn new(base: u32, mask: u32) -> Option<Self> {
        let base = NonZeroU32::new(base)?;
        let shifted = mask.checked_shr(mask.trailing_zeros())?;
        let in_a_row = shifted & shifted.wrapping_add(1) == 0;
        (in_a_row && base.get() & mask == 0).then_some(Self { base, mask })
    }

    /// How many marks there are.
    pub fn count(self) -> u64 {
        1 << self.mask.count_ones()
    }

    /// Number `number` of them, from 0 on.
    pub fn mark(self, number: u32) -> Option<NonZeroU32> {
        let bits = u64::from(number) << self.mask.trailing_zeros();
        let bits = u32::try_from(bits)
            .ok()
            .filter(|bits| bits & !self.mask == 0)?;
        Some(self.base | bits)
    }

    /// The number of a mark, if it is one of them.
    pub fn number(self, mark: NonZeroU32) -> Option<u32> {
        let own = mark.get() & !self.mask == self.base.get();
        own.then(|| (mark.get() & self.mask) >> self.mask.trailing_zeros())
    }
}

pub(super) fn probe_mark(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<ProbeMark> {
    let fields = Fields::section(entry, &PROBE_MARK, problems)?;
    let base = fields.integer("base", problems);
    let mask = fields.integer("mask", problems);
    let (base, mask): (u32, u32) = (base?, mask?);
    if let Some(marks) = ProbeMark::new(base, mask) {
        return Ok(marks);
    }
    let (message, hint) = if base & mask != 0 {
        (
            format!("`base` {base:#x} has bits of `mask` {mask:#x}"),
            "the mask's bits tell the probes' marks apart, so they must be 0 in the base",
        )
    } else {
        (
            format!("the bits of `mask` {mask:#x} do not follow each other"),
            "write a mask whose bits stand side by side, like 0x1fff or 0xff0000",
        )
    };
    Err(problems.add(fields.location, message, hint))
}

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
            problems.add(
                location,
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

#[cfg(test)]
mod tests;
