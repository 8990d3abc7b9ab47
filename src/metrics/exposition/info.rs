//! The constant facts of virtual services and real servers, as labels of a series
//! whose value is 1.

use super::{Samples, names};
use crate::model::ServiceKey;
use crate::status::{RealServerRecord, ServiceRecord};

/// What the virtual service is. Labels that do not apply are empty: the mark of a
/// service by address, and the address of a service by mark.
pub(super) fn service_info(samples: &mut Samples<'_>, service: &ServiceRecord) {
    let [address, port, protocol, fwmark] = match service.key {
        ServiceKey::Address { protocol, address } => [
            address.ip().to_string(),
            address.port().to_string(),
            protocol.to_string(),
            String::new(),
        ],
        ServiceKey::Fwmark { mark, .. } => [
            String::new(),
            String::new(),
            String::new(),
            mark.to_string(),
        ],
    };
    let forwarding = service.forwarding.to_string();
    let labels = [
        ("service", &*service.name),
        ("address", &address),
        ("port", &port),
        ("protocol", &protocol),
        ("fwmark", &fwmark),
        ("scheduler", service.scheduler.as_str()),
        ("forwarding", &forwarding),
    ];
    samples.add(&labels, 1);
}

/// Where the real server is.
pub(super) fn real_server_info(
    samples: &mut Samples<'_>,
    service: &ServiceRecord,
    real_server: &RealServerRecord,
) {
    let [service, name] = names(service, real_server);
    let address = real_server.key.0.ip().to_string();
    let port = real_server.key.0.port().to_string();
    samples.add(&[service, name, ("address", &address), ("port", &port)], 1);
}
