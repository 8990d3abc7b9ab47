//! What concerns this host: the process, its configuration, the table as a whole, VIPs and
//! kernel parameters.

use std::time::SystemTime;

use super::{Family, Kind, Source};
use crate::metrics::exposition::served::served;
use crate::metrics::exposition::{Samples, Seconds};
use crate::model::{ConditionType, FreezeReason, Statistics};
use crate::runtime::logging;
use crate::status::Snapshot;

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "lvs_agent_info",
        kind: Kind::Gauge,
        help: "Always 1; the labels say which agent this is.",
        source: Source::Host(|samples, snapshot| {
            let process = &snapshot.process;
            let labels = [
                ("version", env!("CARGO_PKG_VERSION")),
                ("mode", snapshot.role.as_str()),
                ("table", process.table()),
                ("dry_run", if process.dry_run { "true" } else { "false" }),
            ];
            samples.add(&labels, 1);
        }),
    },
    Family {
        name: "lvs_config_info",
        kind: Kind::Gauge,
        help: "Always 1; the label is the SHA-256 of the configuration's files, the same on \
               hosts that have the same files.",
        source: Source::Host(|samples, snapshot| {
            let sha256 = snapshot.loaded.lock().sha256.clone();
            samples.add(&[("sha256", &sha256)], 1);
        }),
    },
    Family {
        name: "lvs_condition",
        kind: Kind::Gauge,
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
        kind: Kind::Gauge,
        help: "Whether weights are frozen, since the fault is likely the director's own: all of \
               them, or (clock) those that depend on the dates of certificates.",
        source: Source::Host(|samples, snapshot| {
            if snapshot.is_real_server() {
                return;
            }
            let frozen = snapshot.frozen.lock();
            for label in FreezeReason::LABELS {
                let is_frozen = frozen.iter().any(|reason| reason.as_str() == label);
                samples.add(&[("reason", label)], u8::from(is_frozen));
            }
        }),
    },
    Family {
        name: "lvs_resync_interval_seconds",
        kind: Kind::Gauge,
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
        kind: Kind::Gauge,
        help: "When the kernel was last found, or made, to be as configured; 0 if never.",
        source: Source::Host(|samples, snapshot| {
            let at = snapshot.reconcile.lock().last_success;
            samples.add(&[], Seconds(at.unwrap_or(SystemTime::UNIX_EPOCH)));
        }),
    },
    Family {
        name: "lvs_reconcile_pending_steps",
        kind: Kind::Gauge,
        help: "Steps that would bring the kernel to what is configured and that a dry run leaves \
               out.",
        source: Source::Host(|samples, snapshot| {
            let steps = snapshot.reconcile.lock().pending_steps;
            samples.add(&[], steps);
        }),
    },
    Family {
        name: "lvs_config_last_reload_successful",
        kind: Kind::Gauge,
        help: "Whether the newest configuration was taken; loading it at the start counts.",
        source: Source::Host(|samples, snapshot| {
            let successful = snapshot.reload.lock().error.is_none();
            samples.add(&[], u8::from(successful));
        }),
    },
    Family {
        name: "lvs_config_last_reload_success_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When a configuration was last taken.",
        source: Source::Host(|samples, snapshot| {
            let at = snapshot.reload.lock().last_success;
            samples.add(&[], Seconds(at));
        }),
    },
    Family {
        name: "lvs_ipvs_connections_total",
        kind: Kind::Counter,
        help: "Connections to all virtual services of the host, also of other programs, as of \
               the last resync.",
        source: Source::Host(|samples, snapshot| {
            total(samples, snapshot, |statistics| statistics.connections);
        }),
    },
    Family {
        name: "lvs_ipvs_incoming_packets_total",
        kind: Kind::Counter,
        help: "Packets from clients to all virtual services of the host, also of other \
               programs, as of the last resync.",
        source: Source::Host(|samples, snapshot| {
            total(samples, snapshot, |statistics| statistics.incoming_packets);
        }),
    },
    Family {
        name: "lvs_ipvs_outgoing_packets_total",
        kind: Kind::Counter,
        help: "Packets to clients of all virtual services of the host that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::Host(|samples, snapshot| {
            total(samples, snapshot, |statistics| statistics.outgoing_packets);
        }),
    },
    Family {
        name: "lvs_ipvs_incoming_bytes_total",
        kind: Kind::Counter,
        help: "Bytes from clients to all virtual services of the host, also of other programs, \
               as of the last resync.",
        source: Source::Host(|samples, snapshot| {
            total(samples, snapshot, |statistics| statistics.incoming_bytes);
        }),
    },
    Family {
        name: "lvs_ipvs_outgoing_bytes_total",
        kind: Kind::Counter,
        help: "Bytes to clients of all virtual services of the host that passed the director: \
               0 unless forwarding is masquerade.",
        source: Source::Host(|samples, snapshot| {
            total(samples, snapshot, |statistics| statistics.outgoing_bytes);
        }),
    },
    Family {
        name: "lvs_ipvs_sync_daemon",
        kind: Kind::Gauge,
        help: "Always 1; the labels say which synchronization daemon the kernel runs.",
        source: Source::Host(|samples, snapshot| {
            for daemon in &snapshot.table.lock().sync_daemons {
                let sync_id = daemon.sync_id.to_string();
                let labels = [
                    ("state", daemon.state.as_str()),
                    ("interface", &*daemon.interface),
                    ("sync_id", &*sync_id),
                ];
                samples.add(&labels, 1);
            }
        }),
    },
    Family {
        name: "lvs_vip_configured",
        kind: Kind::Gauge,
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
        kind: Kind::Gauge,
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
        kind: Kind::Gauge,
        help: "Whether the kernel parameter has the value that is configured.",
        source: Source::Host(|samples, snapshot| {
            for (key, record) in &*snapshot.sysctls.lock() {
                samples.add(&[("key", key.as_str())], u8::from(record.ok(key)));
            }
        }),
    },
    Family {
        name: "lvs_real_server_ready",
        kind: Kind::Gauge,
        help: "Whether nothing keeps this host from serving the service; absent on a director.",
        source: Source::Host(|samples, snapshot| {
            served(samples, snapshot, |service| Some(service.ready()));
        }),
    },
    Family {
        name: "lvs_real_server_listening",
        kind: Kind::Gauge,
        help: "Whether something listens on VIP and port; absent if the kernel cannot say.",
        source: Source::Host(|samples, snapshot| {
            served(samples, snapshot, |service| service.listening);
        }),
    },
    Family {
        name: "lvs_real_server_self_test",
        kind: Kind::Gauge,
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
        kind: Kind::Gauge,
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
        kind: Kind::Counter,
        help: "Lines of the log that were dropped, because standard error did not take them.",
        source: Source::Host(|samples, _| {
            samples.add(&[], logging::dropped_lines());
        }),
    },
];

/// A counter of the whole table, which real servers do not have.
fn total(samples: &mut Samples<'_>, snapshot: &Snapshot, counter: fn(&Statistics) -> u64) {
    if !snapshot.is_real_server() {
        let statistics = snapshot.table.lock().statistics.total();
        samples.count(&[], statistics, counter);
    }
}
