//! `/status`: the snapshot as JSON.

mod arp;
mod readiness;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

pub(crate) use arp::ArpAuditStatus;
pub(crate) use readiness::ReadinessStatus;
pub(super) use readiness::readiness_of;

use crate::model::{Connections, FreezeReason, Quiesced, ServiceKey, Weight, short_duration};
use crate::status::{LeavingRecord, RealServerRecord, ServiceRecord, Snapshot, TimeoutRecord};

/// The status, with its virtual services as `S`: on the side that asks a list,
/// on the side that answers a view of the snapshot, since a list of all would
/// take as much memory again as the JSON itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Status<S> {
    /// The version of this form; what is added to it changes no number.
    #[serde(default)]
    pub(crate) schema: u32,
    /// The host on which the agent runs.
    #[serde(default)]
    pub(crate) host: String,
    #[serde(default)]
    pub(crate) pid: u32,
    /// `None` of an agent of an earlier version.
    #[serde(default)]
    pub(crate) started_at: Option<Timestamp>,
    /// Nothing is written, neither to the kernel nor to the state directory.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Where the IPVS table is: `kernel`, or `memory` inside the agent.
    #[serde(default = "in_kernel")]
    pub(crate) table: String,
    /// `director` or `real_server`.
    pub(crate) mode: String,
    pub(crate) version: String,
    pub(crate) config: ConfigStatus,
    /// Only of a director.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) virtual_services: Option<S>,
    pub(crate) vips: Vec<VipStatus>,
    pub(crate) sysctls: Vec<SysctlStatus>,
    /// Only of a director.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) timeouts: Vec<TimeoutStatus>,
    /// What is no longer configured, and is removed when its connections have
    /// ended; left out where there is nothing of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) leaving: Vec<LeavingStatus>,
    /// Only of a real server, once it has looked at its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) readiness: Option<ReadinessStatus>,
    pub(crate) reconcile: ReconcileStatus,
    /// Why what is drained is not in its file; left out where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drains_not_remembered: Option<String>,
    /// Why files of certificates and keys that checks use cannot be read again,
    /// and what to do; left out where all can be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tls_not_read: Vec<String>,
    /// Why no weight is changed now: `link`, `probes`; empty if they are.
    #[serde(default)]
    pub(crate) weights_held: Vec<String>,
    /// Only of a director.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arp_audit: Option<ArpAuditStatus>,
}

/// What there is to say of a table inside the agent.
pub(crate) const IN_MEMORY: &str = "--table memory: the table is inside the agent and forwards \
                                    nothing";

/// Why the kernel is not as configured in a dry run.
pub(crate) fn pending(steps: usize) -> String {
    let (noun, verb) = if steps == 1 {
        ("step", "is")
    } else {
        ("steps", "are")
    };
    format!(
        "dry run: {steps} {noun} {verb} pending, which a dry run never makes (`lvs-agent plan` \
         lists them)"
    )
}

/// When `then` is, or that it has passed: `in 3m 5s`, `now`, `passed 12s ago`.
/// `age` says how long it is from one point in time to another.
pub(crate) fn until(
    then: SystemTime,
    now: SystemTime,
    age: impl FnOnce(SystemTime, SystemTime) -> String,
) -> String {
    match then.duration_since(now) {
        Ok(left) if left >= Duration::from_secs(1) => format!("in {}", age(now, then)),
        Ok(_) => "now".to_owned(),
        Err(_) => format!("passed {} ago", age(then, now)),
    }
}

/// The version of the status's form.
pub(crate) const SCHEMA: u32 = 1;

/// Where an agent that does not say so has its table.
fn in_kernel() -> String {
    "kernel".to_owned()
}

/// The status as it is read from the control socket.
pub(crate) type StatusResponse = Status<Vec<ServiceStatus>>;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ConfigStatus {
    pub(crate) path: String,
    pub(crate) loaded_at: Timestamp,
    /// Of the file and of what it includes; empty of an agent of an earlier version.
    #[serde(default)]
    pub(crate) sha256: String,
    pub(crate) last_reload: ReloadStatus,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ReloadStatus {
    pub(crate) ok: bool,
    pub(crate) error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ServiceStatus {
    pub(crate) name: String,
    /// VIP and port; `None` of a service by firewall mark.
    pub(crate) address: Option<String>,
    /// Only of a service by firewall mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fwmark: Option<u32>,
    /// Only of a service by firewall mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<String>,
    /// `None` of a service by firewall mark, which takes any.
    pub(crate) protocol: Option<String>,
    pub(crate) scheduler: String,
    pub(crate) forwarding: String,
    pub(crate) quorum: QuorumStatus,
    /// Whether failing real servers serve, because too few others are up.
    pub(crate) fail_open: bool,
    pub(crate) real_servers: Vec<RealServerStatus>,
    /// The real servers of weight 0 whose clients the scheduler refuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) refused_clients_of: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sorry_server: Option<SorryServerStatus>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct QuorumStatus {
    pub(crate) weight: u32,
    pub(crate) hysteresis: u32,
    pub(crate) met: bool,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SorryServerStatus {
    /// Whether it serves in place of the real servers.
    pub(crate) active: bool,
    #[serde(flatten)]
    pub(crate) server: RealServerStatus,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RealServerStatus {
    pub(crate) name: String,
    pub(crate) address: String,
    /// `unknown`, `up` or `down`.
    pub(crate) health: String,
    /// `enabled`, `draining` or `drained`.
    pub(crate) admin: String,
    /// When the drain should be over; only while it is draining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drain_deadline: Option<Timestamp>,
    /// Why it has weight 0 though neither its health nor an operator asks for
    /// it: `arp_conflict`.
    #[serde(default)]
    pub(crate) quiesced: Option<String>,
    /// `ok`, or what is wrong with it; `None` before the first probe.
    #[serde(default)]
    pub(crate) diagnosis: Option<String>,
    /// What to do about that; `None` where nothing is wrong.
    #[serde(default)]
    pub(crate) mend: Option<String>,
    pub(crate) weight: WeightStatus,
    pub(crate) connections: ConnectionsStatus,
    pub(crate) last_probe: Option<ProbeStatus>,
    pub(crate) since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct WeightStatus {
    pub(crate) configured: u32,
    /// What its check says in place of that; only where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advised: Option<u32>,
    pub(crate) desired: u32,
    /// `None` if the kernel has no such destination.
    pub(crate) kernel: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ConnectionsStatus {
    pub(crate) active: u32,
    pub(crate) inactive: u32,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ProbeStatus {
    pub(crate) at: Timestamp,
    pub(crate) result: String,
    pub(crate) detail: String,
    /// Where it asked; `None` where that is no port, or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    pub(crate) duration_ms: f64,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct VipStatus {
    pub(crate) address: String,
    pub(crate) interface: String,
    pub(crate) configured: bool,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SysctlStatus {
    pub(crate) key: String,
    pub(crate) want: String,
    /// `None` if the kernel has no such parameter.
    pub(crate) have: Option<String>,
}

/// A time-out of the table, in seconds.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct TimeoutStatus {
    /// `tcp`, `tcpfin` or `udp`.
    pub(crate) name: String,
    /// `None` if it is left as it is.
    pub(crate) want: Option<u32>,
    pub(crate) have: u32,
}

/// A real server that is no longer configured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LeavingStatus {
    /// The name that its virtual service had.
    pub(crate) service: String,
    /// What the kernel knows that by.
    pub(crate) service_address: String,
    /// The name that it had.
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) connections: ConnectionsStatus,
    /// When it is removed whatever is left, unless nobody else serves.
    pub(crate) deadline: Timestamp,
    /// Whether it serves, since what replaces it does not yet.
    #[serde(default)]
    pub(crate) serves: bool,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ReconcileStatus {
    pub(crate) last_success: Option<Timestamp>,
    pub(crate) error: Option<String>,
    /// In a dry run, how many steps would bring the kernel to what is configured.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) pending_steps: usize,
    /// Why what the agent owns is not in the state file, if it is not.
    #[serde(default)]
    pub(crate) not_remembered: Option<String>,
    /// What the kernel cannot be brought to, and traffic does not depend on.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A point in time, in RFC 3339 in UTC to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(pub(crate) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text)
            .map(Self)
            .map_err(de::Error::custom)
    }
}

/// The virtual services of a snapshot, each made when it is its turn.
struct Services<'a>(&'a [ServiceRecord]);

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ServiceStatus::of))
    }
}

/// The snapshot as JSON. Fails only where serde does, which none of these types lets it.
pub(crate) fn json(snapshot: &Snapshot) -> Result<Vec<u8>, serde_json::Error> {
    let services = (!snapshot.is_real_server()).then_some(Services(&snapshot.services));
    serde_json::to_vec(&Status::of(snapshot, services))
}

impl<S> Status<S> {
    /// What would be lost in a restart, and why.
    pub(crate) fn not_remembered(&self) -> impl Iterator<Item = &str> {
        let drains = self.drains_not_remembered.as_deref();
        self.reconcile
            .not_remembered
            .as_deref()
            .into_iter()
            .chain(drains)
    }

    /// Whether the agent is one that changes the kernel, for people.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = &'static str> {
        let dry_run = self.dry_run.then_some("dry run: nothing is written");
        let in_memory = (self.table == "memory").then_some(IN_MEMORY);
        dry_run.into_iter().chain(in_memory)
    }

    /// How far what the agent writes is as configured, for people; `age` says
    /// how long ago a point in time was.
    pub(crate) fn convergence(&self, age: impl FnOnce(SystemTime) -> String) -> String {
        if self.reconcile.pending_steps > 0 {
            return pending(self.reconcile.pending_steps);
        }
        let what = if self.table == "memory" {
            "the table in memory"
        } else {
            "the kernel"
        };
        match self.reconcile.last_success {
            Some(at) => format!("{what} was as configured {} ago", age(at.0)),
            None => format!("{what} has not been as configured yet"),
        }
    }

    /// Why weights are held, for people.
    pub(crate) fn held(&self) -> impl Iterator<Item = FreezeReason> {
        let shown = |reason: &FreezeReason| {
            let mut held = self.weights_held.iter();
            held.any(|held| held == reason.as_str())
        };
        FreezeReason::ALL.into_iter().filter(shown)
    }

    /// All but the virtual services, which are given.
    pub(crate) fn of(snapshot: &Snapshot, virtual_services: Option<S>) -> Self {
        let reload = snapshot.reload.lock().clone();
        let reconcile = snapshot.reconcile.lock().clone();
        let vips = snapshot.vips.lock().clone();
        let sysctls = snapshot.sysctls.lock().clone();
        let timeouts = snapshot.timeouts.lock().clone();
        let leaving = snapshot.leaving.lock().clone();
        let readiness = snapshot.readiness.lock().clone();
        let held = snapshot.held.lock().clone();
        let loaded = snapshot.loaded.lock().clone();
        let process = &snapshot.process;
        Self {
            schema: SCHEMA,
            host: process.host.clone(),
            pid: process.pid,
            started_at: Some(Timestamp(process.started_at)),
            dry_run: process.dry_run,
            table: process.table().to_owned(),
            mode: snapshot.mode.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: ConfigStatus {
                path: snapshot.config_path.display().to_string(),
                loaded_at: Timestamp(loaded.at),
                sha256: loaded.sha256,
                last_reload: ReloadStatus {
                    ok: reload.error.is_none(),
                    error: reload.error,
                },
            },
            virtual_services,
            vips: vips
                .into_iter()
                .map(|((address, interface), configured)| VipStatus {
                    address: address.to_string(),
                    interface,
                    configured,
                })
                .collect(),
            sysctls: sysctls
                .into_iter()
                .map(|(key, record)| SysctlStatus {
                    key: key.to_string(),
                    want: record.want,
                    have: record.have,
                })
                .collect(),
            timeouts: timeouts
                .into_iter()
                .map(|(timeout, TimeoutRecord { want, have })| TimeoutStatus {
                    name: timeout.to_string(),
                    want,
                    have,
                })
                .collect(),
            leaving: leaving.into_iter().map(LeavingStatus::of).collect(),
            readiness: readiness.map(ReadinessStatus::of),
            reconcile: ReconcileStatus {
                last_success: reconcile.last_success.map(Timestamp),
                error: reconcile.error,
                pending_steps: reconcile.pending_steps,
                not_remembered: reconcile.not_remembered,
                warnings: reconcile.warnings,
            },
            drains_not_remembered: snapshot.drains_not_remembered.lock().clone(),
            tls_not_read: snapshot.tls_not_read.lines(),
            weights_held: held.iter().map(|r| r.as_str().to_owned()).collect(),
            arp_audit: (!snapshot.is_real_server())
                .then(|| ArpAuditStatus::of(&snapshot.arp.lock())),
        }
    }
}

impl ServiceStatus {
    pub(crate) fn of(record: &ServiceRecord) -> Self {
        let (address, fwmark, family, protocol) = match record.key {
            ServiceKey::Address { protocol, address } => (
                Some(address.to_string()),
                None,
                None,
                Some(protocol.to_string()),
            ),
            ServiceKey::Fwmark { mark, family } => {
                (None, Some(mark.get()), Some(family.to_string()), None)
            }
        };
        let pool = *record.pool.lock();
        let sorry_server = record.sorry_server.as_ref();
        let real_servers = record.real_servers.iter();
        let real_servers: Vec<_> = real_servers
            .map(|real_server| RealServerStatus::of(record, real_server))
            .collect();
        let refused = real_servers.iter().filter(|server| {
            let weight = &server.weight;
            record.refuses_clients && weight.configured > 0 && weight.kernel == Some(0)
        });
        Self {
            refused_clients_of: refused.map(|server| server.name.clone()).collect(),
            name: record.name.to_string(),
            address,
            fwmark,
            family,
            protocol,
            scheduler: record.scheduler.to_string(),
            forwarding: record.forwarding.to_string(),
            quorum: QuorumStatus {
                weight: pool.quorum,
                hysteresis: pool.hysteresis,
                met: pool.standing.quorum_met,
            },
            fail_open: pool.standing.fail_open,
            real_servers,
            sorry_server: sorry_server.map(|sorry_server| SorryServerStatus {
                active: pool.standing.sorry_serves,
                server: RealServerStatus::of(record, sorry_server),
            }),
        }
    }

    /// What is not as it should be with the pool as a whole, for people.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let active = self.sorry_server.as_ref().is_some_and(|s| s.active);
        let warnings = [
            (!self.quorum.met, "quorum lost"),
            (active, "the sorry server serves"),
            (
                self.fail_open,
                "failing open: failing real servers serve, too",
            ),
        ];
        let true_ones = warnings.into_iter().filter(|(is_so, _)| *is_so);
        let warnings = true_ones.map(|(_, warning)| warning.to_owned());
        let refused = (!self.refused_clients_of.is_empty()).then(|| {
            format!(
                "the scheduler {} refuses the clients of {}, until {} weight again: \
                 `scheduler_flags: [fallback]` gives them to others",
                self.scheduler,
                self.refused_clients_of.join(", "),
                if self.refused_clients_of.len() == 1 {
                    "it has"
                } else {
                    "they have"
                },
            )
        });
        warnings.chain(refused).collect()
    }

    /// The real servers with which something is wrong: the name, what, and
    /// what mends it, for people.
    pub(crate) fn mends(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.servers().filter_map(|server| {
            let diagnosis = server.diagnosis.as_deref()?;
            Some((server.name.as_str(), diagnosis, server.mend.as_deref()?))
        })
    }

    /// The same as lines; beyond the first few of a diagnosis, a number. While
    /// all weights are held, it is the director that has to be mended.
    pub(crate) fn mend_lines(&self, held: bool) -> Vec<String> {
        /// Of one diagnosis.
        const LINES: usize = 5;
        let mut lines = Vec::new();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (real_server, diagnosis, mend) in self.mends().filter(|_| !held) {
            let number = numbers.entry(diagnosis).or_default();
            *number += 1;
            if *number <= LINES {
                lines.push(format!("{real_server}: {diagnosis}; to mend it: {mend}"));
            }
        }
        let more = numbers.into_iter().filter(|(_, number)| *number > LINES);
        let more = more.map(|(diagnosis, number)| format!("{} more: {diagnosis}", number - LINES));
        lines.extend(more);
        lines
    }

    /// The real servers, and after them the sorry server.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &RealServerStatus> {
        let sorry_server = self.sorry_server.iter();
        let sorry_server = sorry_server.map(|sorry_server| &sorry_server.server);
        self.real_servers.iter().chain(sorry_server)
    }

    /// What the kernel knows it by, for people.
    pub(crate) fn key(&self) -> String {
        let part = |part: &Option<String>| part.as_deref().unwrap_or("?").to_owned();
        match self.fwmark {
            Some(mark) => format!("fwmark {mark} {}", part(&self.family)),
            None => format!("{} {}", part(&self.protocol), part(&self.address)),
        }
    }
}

impl LeavingStatus {
    /// What it does until it is removed.
    pub(crate) const fn state(&self) -> &'static str {
        if self.serves { "serves" } else { "drains" }
    }

    fn of(record: LeavingRecord) -> Self {
        Self {
            service: record.service,
            service_address: record.service_key.to_string(),
            name: record.real_server,
            address: record.key.to_string(),
            connections: ConnectionsStatus::of(record.connections),
            deadline: Timestamp(record.deadline),
            serves: record.serves,
        }
    }
}

impl ConnectionsStatus {
    fn of(connections: Connections) -> Self {
        Self {
            active: connections.active,
            inactive: connections.inactive,
        }
    }
}

impl ProbeStatus {
    /// What was seen, where and in what time, for people.
    pub(crate) fn summary(&self) -> String {
        let duration = Duration::try_from_secs_f64(self.duration_ms / 1000.0).unwrap_or_default();
        let (detail, duration) = (&self.detail, short_duration(duration));
        match self.port {
            Some(port) => format!("{detail}, port {port}, {duration}"),
            None => format!("{detail}, {duration}"),
        }
    }
}

impl RealServerStatus {
    fn of(service: &ServiceRecord, record: &RealServerRecord) -> Self {
        let live = record.live.lock().clone();
        let place = service.place(record);
        let mend = live.mend(place);
        Self {
            name: record.name.to_string(),
            address: record.key.to_string(),
            health: live.health.to_string(),
            admin: live.admin.as_str().to_owned(),
            drain_deadline: live.drain_deadline.map(Timestamp),
            quiesced: live.quiesced.map(Quiesced::as_str).map(str::to_owned),
            diagnosis: live.diagnosis.map(|diagnosis| diagnosis.to_string()),
            mend: mend.map(|mend| mend.to_string()),
            weight: WeightStatus {
                configured: record.configured.get(),
                advised: live.advised.map(Weight::get),
                desired: live.desired.get(),
                kernel: live.kernel.map(Weight::get),
            },
            connections: ConnectionsStatus::of(live.connections),
            last_probe: live.last_probe.map(|probe| ProbeStatus {
                at: Timestamp(probe.at),
                result: probe.result.as_str().to_owned(),
                detail: probe.detail,
                port: (record.checked_port != 0).then_some(record.checked_port),
                duration_ms: probe.duration.as_secs_f64() * 1000.0,
            }),
            since: Timestamp(live.since),
        }
    }
}

#[cfg(test)]
mod tests;
