use futures_util::FutureExt as _;

use super::*;

fn mark(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[test]
fn probes_by_one_mark_wait_for_each_other_and_probes_by_others_do_not() {
    let readers = Readers::new();
    let first = readers.of_mark(mark(0x2001)).now_or_never();
    assert!(first.is_some());
    assert!(readers.of_mark(mark(0x2001)).now_or_never().is_none());
    let mut others = Vec::new();
    for number in 0x2002..0x2009 {
        others.push(readers.of_mark(mark(number)).now_or_never().unwrap());
    }
    assert!(readers.of_host().now_or_never().is_some());
    drop(first);
    assert!(readers.of_mark(mark(0x2001)).now_or_never().is_some());
}
