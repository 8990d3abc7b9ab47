//! What concerns one virtual service.

use super::{Family, Kind, Source};
use crate::metrics::exposition::info::service_info;
use crate::model::Health;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "lvs_virtual_service_info",
        kind: Kind::Gauge,
        help: "Always 1; the labels say what the virtual service is.",
        source: Source::Service(service_info),
    },
    Family {
        name: "lvs_check_interval_seconds",
        kind: Kind::Gauge,
        help: "From the start of one probe to the start of the next, as configured: the longest of \
               its real servers' checks; absent where none of them is checked.",
        source: Source::Service(|samples, service| {
            if let Some(interval) = service.check_interval {
                samples.add(&[("service", &service.name)], interval.as_secs_f64());
            }
        }),
    },
    Family {
        name: "lvs_virtual_service_connections_total",
        kind: Kind::Counter,
        help: "Connections to the virtual service, as of the last resync.",
        source: Source::Service(|samples, service| {
            let statistics = service.statistics.lock().total();
            let labels = [("service", &*service.name)];
            samples.count(&labels, statistics, |statistics| statistics.connections);
        }),
    },
    Family {
        name: "lvs_virtual_service_incoming_packets_total",
        kind: Kind::Counter,
        help: "Packets from clients to the virtual service, as of the last resync.",
        source: Source::Service(|samples, service| {
            let statistics = service.statistics.lock().total();
            let labels = [("service", &*service.name)];
            samples.count(&labels, statistics, |statistics| {
                statistics.incoming_packets
            });
        }),
    },
    Family {
        name: "lvs_virtual_service_outgoing_packets_total",
        kind: Kind::Counter,
        help: "Packets from the virtual service to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::Service(|samples, service| {
            let statistics = service.statistics.lock().total();
            let labels = [("service", &*service.name)];
            samples.count(&labels, statistics, |statistics| {
                statistics.outgoing_packets
            });
        }),
    },
    Family {
        name: "lvs_virtual_service_incoming_bytes_total",
        kind: Kind::Counter,
        help: "Bytes from clients to the virtual service, as of the last resync.",
        source: Source::Service(|samples, service| {
            let statistics = service.statistics.lock().total();
            let labels = [("service", &*service.name)];
            samples.count(&labels, statistics, |statistics| statistics.incoming_bytes);
        }),
    },
    Family {
        name: "lvs_virtual_service_outgoing_bytes_total",
        kind: Kind::Counter,
        help: "Bytes from the virtual service to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::Service(|samples, service| {
            let statistics = service.statistics.lock().total();
            let labels = [("service", &*service.name)];
            samples.count(&labels, statistics, |statistics| statistics.outgoing_bytes);
        }),
    },
    Family {
        name: "lvs_virtual_service_real_servers",
        kind: Kind::Gauge,
        help: "Real servers of the virtual service, by health.",
        source: Source::Service(|samples, service| {
            let (mut up, mut down, mut unknown) = (0_u32, 0_u32, 0_u32);
            for real_server in &service.real_servers {
                match real_server.live.lock().health {
                    Health::Up => up += 1,
                    Health::Down => down += 1,
                    Health::Unknown => unknown += 1,
                }
            }
            for (health, count) in [("up", up), ("down", down), ("unknown", unknown)] {
                samples.add(&[("service", &service.name), ("health", health)], count);
            }
        }),
    },
    Family {
        name: "lvs_virtual_service_quorum_met",
        kind: Kind::Gauge,
        help: "Whether the weight of real servers that are up meets the quorum.",
        source: Source::Service(|samples, service| {
            let met = service.pool.lock().status.quorum_met;
            samples.add(&[("service", &service.name)], u8::from(met));
        }),
    },
    Family {
        name: "lvs_virtual_service_fail_open",
        kind: Kind::Gauge,
        help: "Whether failing real servers serve, because too few others are up.",
        source: Source::Service(|samples, service| {
            let fail_open = service.pool.lock().status.fail_open;
            samples.add(&[("service", &service.name)], u8::from(fail_open));
        }),
    },
    Family {
        name: "lvs_virtual_service_quorum_weight",
        kind: Kind::Gauge,
        help: "Weight of real servers that must be up, as configured.",
        source: Source::Service(|samples, service| {
            let quorum = service.pool.lock().quorum;
            samples.add(&[("service", &service.name)], quorum);
        }),
    },
    Family {
        name: "lvs_virtual_service_up_weight",
        kind: Kind::Gauge,
        help: "Weight of the real servers that are up and not drained, as the quorum counts it.",
        source: Source::Service(|samples, service| {
            let up = service.pool.lock().status.up_weight;
            samples.add(&[("service", &service.name)], up);
        }),
    },
    Family {
        name: "lvs_virtual_service_configured_weight",
        kind: Kind::Gauge,
        help: "Weight of all real servers, as configured.",
        source: Source::Service(|samples, service| {
            samples.add(&[("service", &service.name)], service.configured_weight());
        }),
    },
    Family {
        name: "lvs_sorry_server_up",
        kind: Kind::Gauge,
        help: "Whether the sorry server passes its check; absent while that is unknown.",
        source: Source::Service(|samples, service| {
            let sorry_server = service.sorry_server.as_deref();
            let up = match sorry_server.map(|server| server.live.lock().health) {
                None | Some(Health::Unknown) => return,
                Some(Health::Up) => 1,
                Some(Health::Down) => 0,
            };
            samples.add(&[("service", &service.name)], up);
        }),
    },
    Family {
        name: "lvs_sorry_server_active",
        kind: Kind::Gauge,
        help: "Whether the sorry server serves in place of the real servers.",
        source: Source::Service(|samples, service| {
            if service.sorry_server.is_some() {
                let active = service.pool.lock().status.sorry_serves;
                samples.add(&[("service", &service.name)], u8::from(active));
            }
        }),
    },
];
