//! The series about the services that this host is a real server of.

use super::Samples;
use crate::readiness::ServiceReadiness;
use crate::status::Snapshot;

/// One series for each service that this host is a real server of.
pub(super) fn served(
    samples: &mut Samples<'_>,
    snapshot: &Snapshot,
    value: fn(&ServiceReadiness) -> Option<bool>,
) {
    let readiness = snapshot.readiness.lock();
    for readiness in readiness.iter().flat_map(|record| &record.services) {
        let Some(value) = value(readiness) else {
            continue;
        };
        let address = readiness.service.address;
        let labels = [
            ("vip", address.ip().to_string()),
            ("port", address.port().to_string()),
            ("protocol", readiness.service.protocol.to_string()),
        ];
        let labels: Vec<_> = labels.iter().map(|(key, v)| (*key, v.as_str())).collect();
        samples.add(&labels, u8::from(value));
    }
}
