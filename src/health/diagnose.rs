//! What is wrong with each real server, shown and told as it changes.

use crate::model::{Diagnosis, Health};
use crate::status::RealServerRecord;

/// Concludes anew from what is known of a real server, which may be stealing
/// a VIP now, and may be on the link though no probe is answered.
///
/// Answers with a diagnosis that is to be told: that of a real server that is
/// down already, for a reason other than the one told with its verdict. While
/// weights are held, the director is at fault, and no real server is blamed.
pub(super) fn diagnose(
    record: &RealServerRecord,
    stealing: bool,
    present: bool,
    held: bool,
) -> Option<Diagnosis> {
    let mut live = record.live.lock();
    let after = Diagnosis::of(live.seen.plain, live.seen.vip, stealing, present);
    let before = std::mem::replace(&mut live.diagnosis, after);
    // What only one probe saw is shown, and wakes nobody.
    if held || live.health != Health::Down || before != after || live.diagnosis_told == after {
        return None;
    }
    let told = after.filter(|after| !matches!(after, Diagnosis::Ok | Diagnosis::Unverified))?;
    live.diagnosis_told = Some(told);
    Some(told)
}
