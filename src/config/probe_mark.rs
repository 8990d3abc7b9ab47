//! The key `director.probe_mark`.

use std::num::NonZeroU32;

use super::declaration::PROBE_MARK;
use super::fields::Fields;
use super::node::Entry;
use super::problem::{Parsed, Problems};

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

#[cfg(test)]
mod tests;
