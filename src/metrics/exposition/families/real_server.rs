//! What concerns one real server of one virtual service.

use super::{Family, Kind, Source};
use crate::config::PerRealServer;
use crate::metrics::exposition::info::real_server_info;
use crate::metrics::exposition::{Count, Samples, Seconds, names};
use crate::model::{Health, ProbeResult, Statistics};
use crate::status::{RealServerRecord, ServiceRecord};

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "lvs_real_server_info",
        kind: Kind::Gauge,
        help: "Always 1; the labels say where the real server is.",
        source: Source::RealServer(PerRealServer::Full, real_server_info),
    },
    Family {
        name: "lvs_real_server_up",
        kind: Kind::Gauge,
        help: "Whether the real server passes its check; absent while that is unknown.",
        source: Source::RealServer(PerRealServer::Compact, |samples, service, real_server| {
            let up = match real_server.live.lock().health {
                Health::Unknown => return,
                Health::Up => 1,
                Health::Down => 0,
            };
            samples.add(&names(service, real_server), up);
        }),
    },
    Family {
        name: "lvs_real_server_last_transition_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the health of the real server, or of the sorry server, last changed; absent \
               before the first change.",
        source: Source::Probed(PerRealServer::Full, |samples, service, real_server| {
            let (since, transitions) = {
                let live = real_server.live.lock();
                let counters = &live.counters;
                (
                    live.since,
                    counters.transitions_up() + counters.transitions_down(),
                )
            };
            if transitions > 0 {
                samples.add(&names(service, real_server), Seconds(since));
            }
        }),
    },
    Family {
        name: "lvs_real_server_weight",
        kind: Kind::Gauge,
        help: "Weight of the real server: configured, desired now, and held by the kernel \
               (absent if the kernel has no such destination).",
        source: Source::RealServer(PerRealServer::Compact, weights),
    },
    Family {
        name: "lvs_real_server_drain_started_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the drain of the real server began; absent unless it is draining or drained.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            let live = real_server.live.lock();
            let decision = live.decision.as_deref();
            if let Some(started) = decision.and_then(|decision| decision.since) {
                samples.add(&names(service, real_server), Seconds(started));
            }
        }),
    },
    Family {
        name: "lvs_real_server_quiesced",
        kind: Kind::Gauge,
        help: "Always 1; the real server has weight 0 for the reason, whatever its health.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            let quiesced = real_server.live.lock().quiesced;
            if let Some(reason) = quiesced {
                samples.add_for(service, real_server, ("reason", reason.as_str()), 1);
            }
        }),
    },
    Family {
        name: "lvs_real_server_diagnosis",
        kind: Kind::Gauge,
        help: "Always 1; the cause is what is wrong with the real server, or that nothing is (ok); \
               absent before its first probe.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            let diagnosis = real_server.live.lock().diagnosis;
            if let Some(cause) = diagnosis {
                samples.add_for(service, real_server, ("cause", cause.as_str()), 1);
            }
        }),
    },
    Family {
        name: "lvs_certificate_expiry_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the certificate ends that the real server showed last; absent without TLS.",
        source: Source::Probed(PerRealServer::Full, |samples, service, real_server| {
            if let Some(expiry) = real_server.live.lock().certificate_expiry.as_deref() {
                samples.add(&names(service, real_server), Seconds(expiry.at));
            }
        }),
    },
    Family {
        name: "lvs_real_server_current_connections",
        kind: Kind::Gauge,
        help: "Connections that the kernel holds for the real server, as of the last resync; \
               persistent ones only of a persistent service.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            let connections = real_server.live.lock().connections;
            let states = [
                ("active", Some(connections.active)),
                ("inactive", Some(connections.inactive)),
                (
                    "persistent",
                    service.is_persistent.then_some(connections.persistent),
                ),
            ];
            for (state, count) in states {
                if let Some(count) = count {
                    samples.add_for(service, real_server, ("state", state), count);
                }
            }
        }),
    },
    Family {
        name: "lvs_real_server_connections_total",
        kind: Kind::Counter,
        help: "Connections scheduled to the real server, as of the last resync.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            count(samples, service, real_server, |statistics| {
                statistics.connections
            });
        }),
    },
    Family {
        name: "lvs_real_server_incoming_packets_total",
        kind: Kind::Counter,
        help: "Packets from clients to the real server, as of the last resync.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            count(samples, service, real_server, |statistics| {
                statistics.incoming_packets
            });
        }),
    },
    Family {
        name: "lvs_real_server_outgoing_packets_total",
        kind: Kind::Counter,
        help: "Packets from the real server to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            count(samples, service, real_server, |statistics| {
                statistics.outgoing_packets
            });
        }),
    },
    Family {
        name: "lvs_real_server_incoming_bytes_total",
        kind: Kind::Counter,
        help: "Bytes from clients to the real server, as of the last resync.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            count(samples, service, real_server, |statistics| {
                statistics.incoming_bytes
            });
        }),
    },
    Family {
        name: "lvs_real_server_outgoing_bytes_total",
        kind: Kind::Counter,
        help: "Bytes from the real server to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            count(samples, service, real_server, |statistics| {
                statistics.outgoing_bytes
            });
        }),
    },
    Family {
        name: "lvs_probes_total",
        kind: Kind::Counter,
        help: "Probes of the real server, or of the sorry server, each under one result: ok, failed, \
               or once it occurs one that says nothing of the real server; absent where nothing \
               is checked.",
        source: Source::Probed(PerRealServer::Compact, probes),
    },
    Family {
        name: "lvs_probe_failures_total",
        kind: Kind::Counter,
        help: "Failed probes of the real server, or of the sorry server, by cause, once it occurs.",
        source: Source::Probed(PerRealServer::Full, |samples, service, real_server| {
            if !real_server.is_checked {
                return;
            }
            let probes = real_server.live.lock().counters.probes();
            for (cause, count) in ProbeResult::ALL.into_iter().zip(probes) {
                if cause.evidence() == Some(false) && count > 0 {
                    let label = ("cause", cause.as_str());
                    samples.add_for(service, real_server, label, u64::from(count));
                }
            }
        }),
    },
    Family {
        name: "lvs_real_server_last_probe_duration_seconds",
        kind: Kind::Gauge,
        help: "How long the last probe took, from connecting to the verdict; absent before it.",
        source: Source::RealServer(PerRealServer::Full, |samples, service, real_server| {
            let duration = {
                let live = real_server.live.lock();
                live.last_probe.as_ref().map(|probe| probe.duration)
            };
            if let Some(duration) = duration {
                samples.add(&names(service, real_server), duration.as_secs_f64());
            }
        }),
    },
    Family {
        name: "lvs_transitions_total",
        kind: Kind::Counter,
        help: "Changes of the real server's health, or of the sorry server's, by what it became.",
        source: Source::Probed(PerRealServer::Compact, |samples, service, real_server| {
            let (up, down, first) = {
                let counters = &real_server.live.lock().counters;
                let (up, down) = (counters.transitions_up(), counters.transitions_down());
                (up, down, counters.first_counted())
            };
            for (to, count, first) in [("up", up, first.up), ("down", down, first.down)] {
                samples.count_for(service, real_server, ("to", to), Count { count, first });
            }
        }),
    },
];

/// All three weights, or in the compact form what the kernel has, and beside that what is
/// desired while the kernel has something else.
fn weights(samples: &mut Samples<'_>, service: &ServiceRecord, real_server: &RealServerRecord) {
    let (desired, kernel) = {
        let live = real_server.live.lock();
        (live.desired, live.kernel)
    };
    let is_full = samples.per_real_server == PerRealServer::Full;
    let weights = [
        ("configured", is_full.then_some(real_server.configured)),
        (
            "desired",
            (is_full || kernel != Some(desired)).then_some(desired),
        ),
        ("kernel", kernel),
    ];
    for (kind, weight) in weights {
        if let Some(weight) = weight {
            samples.add_for(service, real_server, ("kind", kind), weight);
        }
    }
}

/// The probes that passed, those that failed, and those that say nothing of the real
/// server once there are some: together, all of them.
fn probes(samples: &mut Samples<'_>, service: &ServiceRecord, real_server: &RealServerRecord) {
    if !real_server.is_checked {
        return;
    }
    let (probes, first) = {
        let counters = &real_server.live.lock().counters;
        (counters.probes(), counters.first_counted())
    };
    let counts = || ProbeResult::ALL.into_iter().zip(probes.map(u64::from));
    for (label, evidence, first) in [("ok", true, first.passed), ("failed", false, first.failed)] {
        let counted = counts().filter(|(result, _)| result.evidence() == Some(evidence));
        let count = counted.map(|(_, count)| count).sum();
        samples.count_for(
            service,
            real_server,
            ("result", label),
            Count { count, first },
        );
    }
    for (result, count) in counts() {
        if result.evidence().is_none() && count > 0 {
            samples.add_for(service, real_server, ("result", result.as_str()), count);
        }
    }
}

fn count(
    samples: &mut Samples<'_>,
    service: &ServiceRecord,
    real_server: &RealServerRecord,
    counter: fn(&Statistics) -> u64,
) {
    let statistics = real_server.live.lock().statistics.total();
    samples.count(&names(service, real_server), statistics, counter);
}
