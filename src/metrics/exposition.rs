//! The text format, rendered from the snapshot a piece at a time.
//!
//! The prometheus crate's model of a scrape takes some hundred bytes for each
//! series, and a director of 20,000 real servers has half a million; so the
//! series of real servers and virtual services are written straight from
//! their records, and never exist all at once.

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;

use crate::health::Health;
use crate::model::Statistics;
use crate::probe::ProbeResult;
use crate::snapshot::{RealServerRecord, ServiceRecord, Snapshot};

/// A piece ends with the first record that passes this many bytes: enough to
/// fill a socket's buffer, and rendered well within a millisecond.
const PIECE: usize = 32 * 1024;

/// One metric that is made from the snapshot.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    source: Source,
}

/// What a family has series for.
enum Source {
    Host(fn(&mut Samples<'_>, &Snapshot)),
    Service(fn(&mut Samples<'_>, &ServiceRecord)),
    RealServer(fn(&mut Samples<'_>, &ServiceRecord, &RealServerRecord)),
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

const FAMILIES: &[Family] = &[
    Family {
        name: "lvs_agent_info",
        kind: GAUGE,
        help: "Always 1; the labels say which agent this is.",
        source: Source::Host(|samples, snapshot| {
            let version = env!("CARGO_PKG_VERSION");
            samples.add(&[("version", version), ("mode", snapshot.mode.as_str())], 1);
        }),
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
        name: "lvs_probes_total",
        kind: COUNTER,
        help: "Probes of the real server, by result.",
        source: Source::RealServer(|samples, service, real_server| {
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
        help: "Changes of the real server's health, by what it became.",
        source: Source::RealServer(|samples, service, real_server| {
            let (up, down) = {
                let live = real_server.live.lock();
                (live.transitions_up, live.transitions_down)
            };
            samples.add_for(service, real_server, ("to", "up"), up);
            samples.add_for(service, real_server, ("to", "down"), down);
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
        name: "lvs_sysctl_ok",
        kind: GAUGE,
        help: "Whether the kernel parameter has the value that is configured.",
        source: Source::Host(|samples, snapshot| {
            for (key, record) in &*snapshot.sysctls.lock() {
                samples.add(&[("key", key.as_str())], u8::from(record.ok()));
            }
        }),
    },
];

fn names<'a>(service: &'a ServiceRecord, real_server: &'a RealServerRecord) -> [Label<'a>; 2] {
    [
        ("service", &service.name),
        ("real_server", &real_server.name),
    ]
}

type Label<'a> = (&'static str, &'a str);

/// Writes the samples of one family.
struct Samples<'a> {
    out: &'a mut String,
    family: &'static Family,
    /// Whether `# HELP` and `# TYPE` are still to be written: before the first
    /// sample, so that a family without one does not appear.
    head_pending: &'a mut bool,
}

impl Samples<'_> {
    fn add(&mut self, labels: &[Label<'_>], value: impl Display) {
        // Writing to a String cannot fail.
        let _ = self.write(labels, value);
    }

    fn add_for(
        &mut self,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
        label: Label<'_>,
        value: impl Display,
    ) {
        let [service, real_server] = names(service, real_server);
        self.add(&[service, real_server, label], value);
    }

    fn count(
        &mut self,
        service: &ServiceRecord,
        real_server: &RealServerRecord,
        counter: fn(&Statistics) -> u64,
    ) {
        let count = counter(&real_server.live.lock().statistics);
        self.add(&names(service, real_server), count);
    }

    fn count_all(&mut self, service: &ServiceRecord, counter: fn(&Statistics) -> u64) {
        let count = counter(&service.statistics.lock());
        self.add(&[("service", &service.name)], count);
    }

    fn write(&mut self, labels: &[Label<'_>], value: impl Display) -> fmt::Result {
        let Family {
            name, kind, help, ..
        } = self.family;
        if std::mem::take(self.head_pending) {
            write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
        }
        self.out.write_str(name)?;
        let mut separator = '{';
        for (label, value) in labels {
            write!(self.out, "{separator}{label}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => self.out.write_str("\\\\")?,
                    '"' => self.out.write_str("\\\"")?,
                    '\n' => self.out.write_str("\\n")?,
                    plain => self.out.write_char(plain)?,
                }
            }
            self.out.write_char('"')?;
            separator = ',';
        }
        if !labels.is_empty() {
            self.out.write_char('}')?;
        }
        writeln!(self.out, " {value}")
    }
}

/// A point in time as Prometheus writes it.
struct Seconds(SystemTime);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since_epoch = self.0.duration_since(SystemTime::UNIX_EPOCH);
        let since_epoch = since_epoch.unwrap_or(Duration::ZERO);
        write!(
            f,
            "{}.{:03}",
            since_epoch.as_secs(),
            since_epoch.subsec_millis()
        )
    }
}

/// Where in a scrape one is.
pub(super) struct Exposition {
    own: std::vec::IntoIter<MetricFamily>,
    snapshot: Arc<Snapshot>,
    family: usize,
    head_pending: bool,
    service: usize,
    real_server: usize,
}

impl Exposition {
    /// `own` are the families that are not made from the snapshot.
    pub(super) fn new(own: Vec<MetricFamily>, snapshot: Arc<Snapshot>) -> Self {
        Self {
            own: own.into_iter(),
            snapshot,
            family: 0,
            head_pending: true,
            service: 0,
            real_server: 0,
        }
    }

    /// Renders the next record; `false` at the end.
    fn step(&mut self, out: &mut String) -> bool {
        if let Some(family) = self.own.next() {
            if let Err(error) = TextEncoder::new().encode_utf8(&[family], out) {
                tracing::warn!(%error, "a metric is left out of this scrape");
            }
            return true;
        }
        let Some(family) = FAMILIES.get(self.family) else {
            return false;
        };
        let mut samples = Samples {
            out,
            family,
            head_pending: &mut self.head_pending,
        };
        let service = self.snapshot.services.get(self.service);
        match (&family.source, service) {
            (Source::Host(render), _) => {
                render(&mut samples, &self.snapshot);
                self.next_family();
            }
            (Source::Service(_) | Source::RealServer(_), None) => self.next_family(),
            (Source::Service(render), Some(service)) => {
                render(&mut samples, service);
                self.service += 1;
            }
            (Source::RealServer(render), Some(service)) => {
                if let Some(real_server) = service.real_servers.get(self.real_server) {
                    render(&mut samples, service, real_server);
                    self.real_server += 1;
                } else {
                    self.service += 1;
                    self.real_server = 0;
                }
            }
        }
        true
    }

    fn next_family(&mut self) {
        self.family += 1;
        self.head_pending = true;
        self.service = 0;
        self.real_server = 0;
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut piece = String::new();
        while piece.len() < PIECE && self.step(&mut piece) {}
        (!piece.is_empty()).then_some(piece)
    }
}
