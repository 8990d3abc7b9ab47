use super::*;

fn marks(base: u32, mask: u32) -> ProbeMark {
    ProbeMark::new(base, mask).unwrap()
}

#[test]
fn a_number_becomes_a_mark_and_back() {
    for (marks, number, mark) in [
        (ProbeMark::default(), 0, 0x2000),
        (ProbeMark::default(), 1, 0x2001),
        (ProbeMark::default(), 0x1fff, 0x3fff),
        (marks(0x0100_0001, 0x00ff_0000), 0x12, 0x0112_0001),
        (marks(1, 0x8000_0000), 1, 0x8000_0001),
    ] {
        let mark = NonZeroU32::new(mark).unwrap();
        assert_eq!(marks.mark(number), Some(mark));
        assert_eq!(marks.number(mark), Some(number));
    }
}

#[test]
fn numbers_beyond_the_mask_have_no_mark() {
    let marks = marks(0x100, 0xff);
    assert_eq!((marks.count(), marks.mark(256)), (256, None));
    for other in [0x1ff + 1, 0xff, 0x8100] {
        assert_eq!(marks.number(NonZeroU32::new(other).unwrap()), None);
    }
}

#[test]
fn a_base_within_the_mask_no_base_no_mask_and_a_mask_with_a_gap_are_none() {
    for (base, mask) in [(0x10, 0xff), (0, 0xff), (0x100, 0), (0x100, 0xf0f)] {
        assert_eq!(ProbeMark::new(base, mask), None, "{base:#x} {mask:#x}");
    }
}

/// Kubernetes' and Calico's marks are no part of the default.
#[test]
fn the_default_keeps_out_of_others_ways() {
    let marks = ProbeMark::default();
    assert_eq!(ProbeMark::new(marks.base.get(), marks.mask), Some(marks));
    let all = marks.base.get() | marks.mask;
    assert_eq!(all & (0x4000 | 0x8000 | 0xffff_0000), 0);
}
