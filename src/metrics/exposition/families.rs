use std::time::SystemTime;

use super::info::{real_server_info, service_info};
use super::served::served;
use super::{Samples, Seconds, names};
use crate::model::{ConditionType, Diagnosis, FreezeReason, Health, ProbeResult, Quiesced};
use crate::runtime::logging;
use crate::status::{RealServerRecord, ServiceRecord, Snapshot};

/// One metric that is made from the snapshot.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: &'static str,
    pub(super) source: Source,
}

/// What a family has series for.
pub(super) enum Source {
    Host(fn(&mut Samples<'_>, &Snapshot)),
    Service(fn(&mut Samples<'_>, &ServiceRecord)),
    RealServer(fn(&mut Samples<'_>, &ServiceRecord, &RealServerRecord)),
    /// The real servers and the sorry server: all that is probed.
    Probed(fn(&mut Samples<'_>, &ServiceRecord, &RealServerRecord)),
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

/// In the order of a scrape.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "lvs_agent_info",
        kind: GAUGE,
        help: "Always 1; the labels say which agent this is.",
        source: Source::Host(|samples, snapshot| {
            let process = &snapshot.process;
            let labels = [
                ("version", env!("CARGO_PKG_VERSION")),
                ("mode", snapshot.mode.as_str()),
                ("table", process.table()),
                ("dry_run", if process.dry_run { "true" } else { "false" }),
            ];
            samples.add(&labels, 1);
        }),
    },
    Family {
        name: "lvs_config_info",
        kind: GAUGE,
        help: "Always 1; the label is the SHA-256 of the configuration's files, the same on \
               hosts that have the same files.",
        source: Source::Host(|samples, snapshot| {
            let sha256 = snapshot.loaded.lock().sha256.clone();
            samples.add(&[("sha256", &sha256)], 1);
        }),
    },
    Family {
        name: "lvs_virtual_service_info",
        kind: GAUGE,
        help: "Always 1; the labels say what the virtual service is.",
        source: Source::Service(service_info),
    },
    Family {
        name: "lvs_check_interval_seconds",
        kind: GAUGE,
        help: "From the start of one probe to the start of the next, as configured.",
        source: Source::Service(|samples, service| {
            let interval = service.check_interval.as_secs_f64();
            samples.add(&[("service", &service.name)], interval);
        }),
    },
    Family {
        name: "lvs_real_server_info",
        kind: GAUGE,
        help: "Always 1; the labels say where the real server is.",
        source: Source::RealServer(real_server_info),
    },
    Family {
        name: "lvs_real_server_up",
        kind: GAUGE,
        help: "Whether the real server passes its check; absent while that is unknown.",
        source: Source::RealServer(|samples, service, real_server| {
            let up = match real_server.live.lock().health {
                Health::Unknown => return,
                Health::Up => 1,
                Health::Down => 0,
            };
            samples.add(&names(service, real_server), up);
        }),
    },
    Family {
        name: "lvs_real_server_weight",
        kind: GAUGE,
        help: "Weight of the real server: configured, desired now, and held by the kernel \
               (absent if the kernel has no such destination).",
        source: Source::RealServer(|samples, service, real_server| {
            let (desired, kernel) = {
                let live = real_server.live.lock();
                (live.desired, live.kernel)
            };
            let weights = [
                ("configured", Some(real_server.configured)),
                ("desired", Some(desired)),
                ("kernel", kernel),
            ];
            for (kind, weight) in weights {
                if let Some(weight) = weight {
                    samples.add_for(service, real_server, ("kind", kind), weight);
                }
            }
        }),
    },
    Family {
        name: "lvs_real_server_quiesced",
        kind: GAUGE,
        help: "Whether the real server has weight 0 for the reason, whatever its health.",
        source: Source::RealServer(|samples, service, real_server| {
            let quiesced = real_server.live.lock().quiesced;
            for reason in Quiesced::ALL {
                let value = u8::from(quiesced == Some(reason));
                samples.add_for(service, real_server, ("reason", reason.as_str()), value);
            }
        }),
    },
    Family {
        name: "lvs_real_server_diagnosis",
        kind: GAUGE,
        help: "Whether this is what is wrong with the real server, or that nothing is (ok); absent \
               before its first probe.",
        source: Source::RealServer(|samples, service, real_server| {
            let Some(found) = real_server.live.lock().diagnosis else {
                return;
            };
            for cause in Diagnosis::ALL {
                let label = ("cause", cause.as_str());
                samples.add_for(service, real_server, label, u8::from(cause == found));
            }
        }),
    },
    Family {
        name: "lvs_certificate_expiry_timestamp_seconds",
        kind: GAUGE,
        help: "When the certificate ends that the real server showed last; absent without TLS.",
        source: Source::Probed(|samples, service, real_server| {
            if let Some(expiry) = real_server.live.lock().certificate_expiry {
                samples.add(&names(service, real_server), Seconds(expiry));
            }
        }),
    },
    Family {
        name: "lvs_real_server_connections",
        kind: GAUGE,
        help: "Connections that the kernel holds for the real server, as of the last resync.",
        source: Source::RealServer(|samples, service, real_server| {
            let connections = real_server.live.lock().connections;
            let states = [
                ("active", connections.active),
                ("inactive", connections.inactive),
                ("persistent", connections.persistent),
            ];
            for (state, count) in states {
                samples.add_for(service, real_server, ("state", state), count);
            }
        }),
    },
    Family {
        name: "lvs_real_server_connections_total",
        kind: COUNTER,
        help: "Connections scheduled to the real server, as of the last resync.",
        source: Source::RealServer(|samples, service, real_server| {
            samples.count(service, real_server, |statistics| statistics.connections);
        }),
    },
    Family {
        name: "lvs_real_server_incoming_packets_total",
        kind: COUNTER,
        help: "Packets from clients to the real server, as of the last resync.",
        source: Source::RealServer(|samples, service, real_server| {
            samples.count(service, real_server, |statistics| {
                statistics.incoming_packets
            });
        }),
    },
    Family {
        name: "lvs_real_server_outgoing_packets_total",
        kind: COUNTER,
        help: "Packets from the real server to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::RealServer(|samples, service, real_server| {
            samples.count(service, real_server, |statistics| {
                statistics.outgoing_packets
            });
        }),
    },
    Family {
        name: "lvs_real_server_incoming_bytes_total",
        kind: COUNTER,
        help: "Bytes from clients to the real server, as of the last resync.",
        source: Source::RealServer(|samples, service, real_server| {
            samples.count(service, real_server, |statistics| statistics.incoming_bytes);
        }),
    },
    Family {
        name: "lvs_real_server_outgoing_bytes_total",
        kind: COUNTER,
        help: "Bytes from the real server to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::RealServer(|samples, service, real_server| {
            samples.count(service, real_server, |statistics| statistics.outgoing_bytes);
        }),
    },
    Family {
        name: "lvs_virtual_service_connections_total",
        kind: COUNTER,
        help: "Connections to the virtual service, as of the last resync.",
        source: Source::Service(|samples, service| {
            samples.count_all(service, |statistics| statistics.connections);
        }),
    },
    Family {
        name: "lvs_virtual_service_incoming_packets_total",
        kind: COUNTER,
        help: "Packets from clients to the virtual service, as of the last resync.",
        source: Source::Service(|samples, service| {
            samples.count_all(service, |statistics| statistics.incoming_packets);
        }),
    },
    Family {
        name: "lvs_virtual_service_outgoing_packets_total",
        kind: COUNTER,
        help: "Packets from the virtual service to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::Service(|samples, service| {
            samples.count_all(service, |statistics| statistics.outgoing_packets);
        }),
    },
    Family {
        name: "lvs_virtual_service_incoming_bytes_total",
        kind: COUNTER,
        help: "Bytes from clients to the virtual service, as of the last resync.",
        source: Source::Service(|samples, service| {
            samples.count_all(service, |statistics| statistics.incoming_bytes);
        }),
    },
    Family {
        name: "lvs_virtual_service_outgoing_bytes_total",
        kind: COUNTER,
        help: "Bytes from the virtual service to clients that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::Service(|samples, service| {
            samples.count_all(service, |statistics| statistics.outgoing_bytes);
        }),
    },
    Family {
        name: "lvs_virtual_service_real_servers",
        kind: GAUGE,
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
        name: "lvs_virtual_service_quorum",
        kind: GAUGE,
        help: "Whether the weight of real servers that are up meets the quorum.",
        source: Source::Service(|samples, service| {
            let met = service.pool.lock().standing.quorum_met;
            samples.add(&[("service", &service.name)], u8::from(met));
        }),
    },
    Family {
        name: "lvs_virtual_service_fail_open",
        kind: GAUGE,
        help: "Whether failing real servers serve, because too few others are up.",
        source: Source::Service(|samples, service| {
            let fail_open = service.pool.lock().standing.fail_open;
            samples.add(&[("service", &service.name)], u8::from(fail_open));
        }),
    },
    Family {
        name: "lvs_sorry_server_up",
        kind: GAUGE,
        help: "Whether the sorry server passes its check; absent while that is unknown.",
        source: Source::Service(|samples, service| {
            let sorry_server = service.sorry_server.as_ref();
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
        kind: GAUGE,
        help: "Whether the sorry server serves in place of the real servers.",
        source: Source::Service(|samples, service| {
            if service.sorry_server.is_some() {
                let active = service.pool.lock().standing.sorry_serves;
                samples.add(&[("service", &service.name)], u8::from(active));
            }
        }),
    },
    Family {
        name: "lvs_condition",
        kind: GAUGE,
        help: "How many conditions of the type and severity hold now.",
        source: Source::Host(|samples, snapshot| {
            for kind in ConditionType::ALL {
                for severity in kind.declaration().severities {
                    let labels = [("type", kind.as_str()), ("severity", severity.as_str())];
                    samples.add(&labels, snapshot.conditions.count(*kind, *severity));
                }
            }
        }),
    },
    Family {
        name: "lvs_weights_frozen",
        kind: GAUGE,
        help: "Whether weights are frozen, since the fault is likely the director's own: all of \
               them, or (clock) those that depend on the dates of certificates.",
        source: Source::Host(|samples, snapshot| {
            if snapshot.is_real_server() {
                return;
            }
            let frozen = snapshot.frozen.lock();
            for reason in FreezeReason::ALL {
                let is_frozen = u8::from(frozen.contains(&reason));
                samples.add(&[("reason", reason.as_str())], is_frozen);
            }
        }),
    },
    Family {
        name: "lvs_probes_total",
        kind: COUNTER,
        help: "Probes of the real server, or of the sorry server, by result.",
        source: Source::Probed(|samples, service, real_server| {
            let probes = real_server.live.lock().probes;
            for (result, count) in ProbeResult::ALL.into_iter().zip(probes) {
                let label = ("result", result.as_str());
                samples.add_for(service, real_server, label, count);
            }
        }),
    },
    Family {
        name: "lvs_transitions_total",
        kind: COUNTER,
        help: "Changes of the real server's health, or of the sorry server's, by what it became.",
        source: Source::Probed(|samples, service, real_server| {
            let (up, down) = {
                let live = real_server.live.lock();
                (live.transitions_up, live.transitions_down)
            };
            samples.add_for(service, real_server, ("to", "up"), up);
            samples.add_for(service, real_server, ("to", "down"), down);
        }),
    },
    Family {
        name: "lvs_real_server_last_transition_timestamp_seconds",
        kind: GAUGE,
        help: "When the health of the real server, or of the sorry server, last changed; absent \
               before the first change.",
        source: Source::Probed(|samples, service, real_server| {
            let (since, transitions) = {
                let live = real_server.live.lock();
                (live.since, live.transitions_up + live.transitions_down)
            };
            if transitions > 0 {
                samples.add(&names(service, real_server), Seconds(since));
            }
        }),
    },
    Family {
        name: "lvs_resync_interval_seconds",
        kind: GAUGE,
        help: "How often the kernel is compared with the configuration, as configured.",
        source: Source::Host(|samples, snapshot| {
            let interval = snapshot.loaded.lock().resync_interval;
            if let Some(interval) = interval {
                samples.add(&[], interval.as_secs_f64());
            }
        }),
    },
    Family {
        name: "lvs_reconcile_last_success_timestamp_seconds",
        kind: GAUGE,
        help: "When the kernel was last found, or made, to be as configured; 0 if never.",
        source: Source::Host(|samples, snapshot| {
            let at = snapshot.reconcile.lock().last_success;
            samples.add(&[], Seconds(at.unwrap_or(SystemTime::UNIX_EPOCH)));
        }),
    },
    Family {
        name: "lvs_config_last_reload_successful",
        kind: GAUGE,
        help: "Whether the newest configuration was taken; loading it at the start counts.",
        source: Source::Host(|samples, snapshot| {
            let successful = snapshot.reload.lock().error.is_none();
            samples.add(&[], u8::from(successful));
        }),
    },
    Family {
        name: "lvs_config_last_reload_success_timestamp_seconds",
        kind: GAUGE,
        help: "When a configuration was last taken.",
        source: Source::Host(|samples, snapshot| {
            let at = snapshot.reload.lock().last_success;
            samples.add(&[], Seconds(at));
        }),
    },
    Family {
        name: "lvs_vip_configured",
        kind: GAUGE,
        help: "Whether the VIP is on the interface where this host should have it.",
        source: Source::Host(|samples, snapshot| {
            for ((vip, interface), configured) in &*snapshot.vips.lock() {
                samples.add(
                    &[("vip", &vip.to_string()), ("interface", interface)],
                    u8::from(*configured),
                );
            }
        }),
    },
    Family {
        name: "lvs_arp_conflicts",
        kind: GAUGE,
        help: "MAC addresses other than this director's that answer for the VIP now; \
               absent while there is no ARP audit.",
        source: Source::Host(|samples, snapshot| {
            let record = snapshot.arp.lock();
            if record.error.is_some() {
                return;
            }
            for (vip, conflicts) in &record.vips {
                samples.add(&[("vip", &vip.to_string())], conflicts.len());
            }
        }),
    },
    Family {
        name: "lvs_sysctl_ok",
        kind: GAUGE,
        help: "Whether the kernel parameter has the value that is configured.",
        source: Source::Host(|samples, snapshot| {
            for (key, record) in &*snapshot.sysctls.lock() {
                samples.add(&[("key", key.as_str())], u8::from(record.ok(key)));
            }
        }),
    },
    Family {
        name: "lvs_real_server_ready",
        kind: GAUGE,
        help: "Whether nothing keeps this host from serving the service; absent on a director.",
        source: Source::Host(|samples, snapshot| {
            served(samples, snapshot, |service| Some(service.ready()));
        }),
    },
    Family {
        name: "lvs_real_server_listening",
        kind: GAUGE,
        help: "Whether something listens on VIP and port; absent if the kernel cannot say.",
        source: Source::Host(|samples, snapshot| {
            served(samples, snapshot, |service| service.listening);
        }),
    },
    Family {
        name: "lvs_real_server_self_test",
        kind: GAUGE,
        help: "Whether a connection from this host to VIP and port was accepted; absent where \
               none is made.",
        source: Source::Host(|samples, snapshot| {
            served(samples, snapshot, |service| {
                service
                    .self_test
                    .as_ref()
                    .map(|test| test.failure.is_none())
            });
        }),
    },
    Family {
        name: "lvs_arp_sysctl",
        kind: GAUGE,
        help: "What holds on an interface of a real server: the larger of `all` and its own.",
        source: Source::Host(|samples, snapshot| {
            let readiness = snapshot.readiness.lock();
            for (interface, values) in readiness.iter().flat_map(|record| &record.arp) {
                let values = [
                    ("arp_ignore", values.ignore),
                    ("arp_announce", values.announce),
                ];
                for (key, value) in values {
                    samples.add(&[("interface", interface), ("key", key)], value);
                }
            }
        }),
    },
    Family {
        name: "lvs_log_lines_dropped_total",
        kind: COUNTER,
        help: "Lines of the log that were dropped, because standard error did not take them.",
        source: Source::Host(|samples, _| {
            samples.add(&[], logging::dropped_lines());
        }),
    },
];
