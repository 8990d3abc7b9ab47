//! The inspection of this host every second: whether its director and its clients can rely on
//! the host. Between two passes of reconcile much can happen.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt as _, stream};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::kernel::{Cause, Host, Ipvs as _, KernelError, KernelIpvs, Listeners, Sysctls};
use crate::model::{Condition, ConditionType, Interface, Protocol, ServiceKey, Severity};
use crate::readiness::{
    ArpValues, HostFacts, ReadinessIssue, SelfTest, ServedService, ServiceReadiness, served,
};
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::status::{Conditions, ReadinessRecord, Snapshot};

/// From one look to the next: the default interval of a director's check,
/// which asks for what was seen last.
const PERIOD: Duration = Duration::from_secs(1);

/// There where the kernel has loaded IPVS.
const TABLE: &str = "/proc/net/ip_vs";

/// For one connection of a host to itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Connections of a host to itself that are made at a time.
const AT_ONCE: usize = 32;

/// Reads from the kernel what readiness depends on.
pub(crate) struct HostInspector {
    host: Host,
    listeners: Listeners,
    sysctls: Sysctls,
    ipvs: KernelIpvs,
    /// The last connection to each service, and when it was made.
    tested: BTreeMap<ServiceKey, (Instant, SelfTest)>,
}

/// The result of one inspection of this host.
pub(crate) struct HostInspection {
    pub(crate) facts: HostFacts,
    pub(crate) services: Vec<ServiceReadiness>,
}

impl HostInspector {
    /// Opens nothing yet: the first look does.
    pub(crate) fn new() -> Self {
        Self {
            host: Host::new(),
            listeners: Listeners::new(),
            sysctls: Sysctls::default(),
            ipvs: KernelIpvs::new(),
            tested: BTreeMap::new(),
        }
    }

    /// Inspects the services of these VIPs once. A connection that passed is
    /// made again when `keep` is over.
    pub(crate) async fn inspect(
        &mut self,
        config: &Config,
        vips: &BTreeSet<IpAddr>,
        keep: Duration,
    ) -> Result<HostInspection, KernelError> {
        let interfaces = self.host.interfaces().await?;
        let addresses = self.host.addresses(&interfaces).await?;
        let own = addresses.iter().map(|held| held.address).collect();
        let services = served(config, &own, vips);
        let mut facts = HostFacts {
            arp: arp(&self.sysctls, &interfaces)?,
            interfaces,
            addresses,
            directed: self.directed(&services).await?,
            ..HostFacts::default()
        };
        let protocols: BTreeSet<Protocol> = services.iter().map(|s| s.protocol).collect();
        for protocol in protocols {
            let listeners = self.listeners.list(protocol).await?;
            facts.listeners.insert(protocol, listeners);
            // The kernel does not tell that sockets were closed while it listed
            // them, which makes a list leave out others.
            let mut of_protocol = services.iter().filter(|s| s.protocol == protocol);
            if of_protocol.any(|s| facts.listening(protocol, s.address) == Some(false))
                && let Some(again) = self.listeners.list(protocol).await?
                && let Some(Some(listeners)) = facts.listeners.get_mut(&protocol)
            {
                listeners.extend(again);
            }
        }
        facts.self_tests = self.test(&facts, &services, keep).await;
        let interface = &config.real_server.interface;
        let services = services.into_iter();
        let services = services.map(|service| facts.judge(service, interface));
        Ok(HostInspection {
            services: services.collect(),
            facts,
        })
    }

    /// The VIPs of those services that this host's own table has. A kernel
    /// without IPVS is not made to load it.
    async fn directed(
        &mut self,
        services: &[ServedService],
    ) -> Result<BTreeSet<IpAddr>, KernelError> {
        if services.is_empty() || !Path::new(TABLE).exists() {
            return Ok(BTreeSet::new());
        }
        let keys: Vec<_> = services.iter().map(ServedService::key).collect();
        match self.ipvs.find(&keys).await {
            Ok(found) => Ok(found.keys().filter_map(ServiceKey::vip).collect()),
            // Whoever may not read the table looks at the rest.
            Err(KernelError {
                cause: Cause::NotPermitted | Cause::NoIpvs,
                ..
            }) => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Connects to those services that it can be expected of: without the VIP,
    /// the connection would go to the director; and on the director itself, to
    /// any real server.
    async fn test(
        &mut self,
        facts: &HostFacts,
        services: &[ServedService],
        keep: Duration,
    ) -> BTreeMap<ServiceKey, SelfTest> {
        let testable = services.iter().filter(|service| {
            service.protocol == Protocol::Tcp
                && !facts.directed.contains(&service.address.ip())
                && facts.has(service.address.ip())
                && facts.listening(service.protocol, service.address) == Some(true)
        });
        let testable: BTreeMap<_, _> = testable.map(|service| (service.key(), service)).collect();
        self.tested.retain(|key, (at, test)| {
            let fresh = clock::monotonic().saturating_duration_since(*at) < keep;
            fresh && test.failure.is_none() && testable.contains_key(key)
        });
        let due: Vec<_> = testable
            .into_iter()
            .filter(|(key, _)| !self.tested.contains_key(key))
            .map(|(key, service)| (key, service.own, service.address))
            .collect();
        let tests = stream::iter(due)
            .map(async |(key, from, to)| (key, connect(from, to).await))
            .buffer_unordered(AT_ONCE);
        let tests: Vec<_> = tests.collect().await;
        let now = clock::monotonic();
        let tests = tests.into_iter().map(|(key, test)| (key, (now, test)));
        self.tested.extend(tests);
        let tests = self.tested.iter();
        tests.map(|(key, (_, test))| (*key, test.clone())).collect()
    }
}

/// What holds on each interface that is asked for addresses.
fn arp(
    sysctls: &Sysctls,
    interfaces: &[Interface],
) -> Result<BTreeMap<String, ArpValues>, KernelError> {
    let value = |place: &str, name: &str| {
        // sysctl(8) writes `/` for the `.` of a name. One that no sysctl can
        // name, or that is gone by now, has no value of its own.
        let key = format!("net.ipv4.conf.{}.{name}", place.replace('.', "/"));
        let Ok(key) = key.parse() else { return Ok(0) };
        let value = sysctls.read(&key)?;
        Ok(value.and_then(|value| value.parse().ok()).unwrap_or(0))
    };
    let all = (value("all", "arp_ignore")?, value("all", "arp_announce")?);
    let asked = interfaces.iter().filter(|interface| interface.is_asked());
    let effective = asked.map(|interface| {
        let name = interface.name.as_str();
        let values = ArpValues {
            ignore: all.0.max(value(name, "arp_ignore")?),
            announce: all.1.max(value(name, "arp_announce")?),
        };
        Ok((interface.name.clone(), values))
    });
    effective.collect()
}

/// Connects from this host's own address on the LAN, and resets: no data, and
/// nothing left waiting.
async fn connect(from: Option<IpAddr>, to: SocketAddr) -> SelfTest {
    let connection = async {
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        socket.connect(to).await?.set_zero_linger()
    };
    let failure = match timeout(PATIENCE, connection).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!(
            "no answer within {}",
            humantime::format_duration(PATIENCE)
        )),
    };
    SelfTest { failure }
}

/// Keeps what is shown of this host's readiness current.
pub(crate) async fn watch(
    snapshot: Arc<Snapshot>,
    config: watch::Receiver<Arc<Config>>,
) -> Infallible {
    let mut inspector = HostInspector::new();
    loop {
        let config = Arc::clone(&config.borrow());
        let vips = snapshot.vips.lock().keys().map(|(vip, _)| *vip).collect();
        let keep = config.real_server.resync_interval;
        let (seen, at) = (inspector.inspect(&config, &vips, keep).await, clock::wall());
        let mut record = ReadinessRecord {
            at,
            seen: clock::monotonic(),
            arp: BTreeMap::new(),
            services: Vec::new(),
            error: None,
        };
        match seen {
            Ok(HostInspection { facts, services }) => {
                update_conditions(&snapshot.conditions, &services, at);
                record.arp = facts.arp;
                record.services = services;
            }
            Err(error) => {
                let error = error_chain(&error);
                snapshot.conditions.raise(Condition {
                    kind: ConditionType::HostUnreadable,
                    subject: "host".to_owned(),
                    severity: Severity::Problem,
                    message: error.clone(),
                    fix: snapshot.command_line("doctor"),
                    since: at,
                });
                if let Some(before) = snapshot.readiness.lock().take() {
                    record.arp = before.arp;
                    record.services = before.services;
                }
                record.error = Some(error);
            }
        }
        *snapshot.readiness.lock() = Some(record);
        sleep(PERIOD).await;
    }
}

/// Raises a condition for each service that is not ready on this host.
fn update_conditions(conditions: &Conditions, services: &[ServiceReadiness], at: SystemTime) {
    let kinds = [
        ConditionType::ServiceNotReady,
        ConditionType::HostUnreadable,
    ];
    let not_ready = services.iter().filter(|service| !service.ready());
    let found = not_ready.map(|service| {
        let join = |texts: Vec<String>| texts.join("; ");
        Condition {
            kind: ConditionType::ServiceNotReady,
            subject: format!("{} {}", service.service.name, service.service.key()),
            severity: Severity::Problem,
            message: join(service.issues.iter().map(ToString::to_string).collect()),
            fix: join(service.issues.iter().map(ReadinessIssue::fix).collect()),
            since: at,
        }
    });
    conditions.replace(&kinds, found);
}
