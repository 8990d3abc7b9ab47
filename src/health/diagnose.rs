//! What is wrong with each real server, shown and told as it changes.

use tracing::{info, warn};

use crate::diagnosis::Diagnosis;
use crate::snapshot::{RealServerRecord, ServiceRecord};

/// Concludes anew from what is known of a real server, which may be stealing
/// a VIP now, and may be on the link though no probe is answered.
pub(super) fn diagnose(
    service: &ServiceRecord,
    record: &RealServerRecord,
    stealing: bool,
    present: bool,
) {
    let (told, after) = {
        let mut live = record.live.lock();
        let after = Diagnosis::of(live.seen.plain, live.seen.vip, stealing, present);
        let before = std::mem::replace(&mut live.diagnosis, after);
        // What only one probe saw is shown, and wakes nobody.
        if before != after || live.diagnosis_told == after {
            return;
        }
        (std::mem::replace(&mut live.diagnosis_told, after), after)
    };
    let place = service.place(record);
    let (service, real_server) = (&*service.name, &*record.name);
    match (told, after.map(|after| (after, after.mend(place)))) {
        // Nothing was wrong, and nothing is.
        (None, None | Some((Diagnosis::Ok, _))) | (Some(_), None) => {}
        (_, Some((after, None))) => {
            info!(service, real_server, diagnosis = %after, "nothing is wrong");
        }
        (_, Some((after, Some(mend)))) => {
            warn!(service, real_server, diagnosis = %after, "to mend it: {mend}");
        }
    }
}
