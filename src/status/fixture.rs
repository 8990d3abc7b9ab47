//! A small cluster for tests of what is shown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::config::{
    Check, CheckKind, Config, HttpCheck, Origin, Pool, RealServer, SorryServer, StatusRanges, Via,
    VirtualService,
};
use crate::model::{
    Diagnosis, Family, Forwarding, Health, MacAddress, ProbePath, ProbeResult, Protocol, Quiesced,
    Role, Scheduler, ServiceFlags, Statistics, Weight,
};
use crate::readiness::{ArpValues, ReadinessIssue, SelfTest, ServedService, ServiceReadiness};

/// 2026-01-02T03:04:05Z.
pub(crate) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045)
}

/// `GET /` of port 80.
pub(crate) fn http_check() -> HttpCheck {
    HttpCheck {
        tls: None,
        method: "GET".to_owned(),
        path: "/".to_owned(),
        host: None,
        host_is_vip: false,
        port: Some(80),
        headers: Vec::new(),
        body: None,
        expected_status: StatusRanges::success(),
        expected_body: None,
    }
}

/// Asked every second; the first outcome decides.
pub(crate) fn check(kind: CheckKind) -> Check {
    let second = Duration::from_secs(1);
    Check {
        kind,
        via: Via::RealServer,
        interval: second,
        fast_interval: second,
        down_interval: second,
        timeout: second,
        rise: NonZeroU16::MIN,
        fall: NonZeroU16::MIN,
        watch: false,
        origin: Origin::default(),
    }
}

fn service(name: &str, key: &str, real_servers: &[(&str, &str, u32)]) -> VirtualService {
    VirtualService {
        name: name.into(),
        key: key.parse().unwrap(),
        scheduler: Scheduler::default(),
        flags: ServiceFlags::default(),
        forwarding: Forwarding::Direct,
        persistence: None,
        check: Arc::new(check(CheckKind::Http(http_check()))),
        pool: Pool::default(),
        real_servers: real_servers
            .iter()
            .map(|&(name, key, weight)| RealServer {
                name: name.into(),
                key: key.parse().unwrap(),
                forwarding: None,
                check: None,
                weight: Weight::new(weight).unwrap(),
                upper_threshold: 0,
                lower_threshold: 0,
            })
            .collect(),
    }
}

fn with_sorry_server(key: &str, mut service: VirtualService) -> VirtualService {
    service.pool.sorry_server = Some(SorryServer {
        key: key.parse().unwrap(),
        forwarding: None,
        check: Arc::clone(&service.check),
    });
    service
}

/// Two services: `web` with two real servers, `marked` with one and a sorry server.
pub(crate) fn config() -> Config {
    let text = "director: { interface: eth0 }\n\
                real_server: { sysctls: { net.ipv4.conf.all.arp_ignore: 1 } }\n\
                virtual_services:\n\
                - name: web\n  \
                  address: 192.168.11.200:80\n  \
                  real_servers: [{ name: rs1, address: 192.168.11.21 }]\n";
    let mut config = Config::parse("fixture.yaml", text).unwrap();
    config.director.sysctls.clear();
    config.virtual_services = vec![
        service(
            "web",
            "tcp 192.168.11.200:80",
            &[
                ("rs1", "192.168.11.21:80", 1),
                ("rs2", "192.168.11.22:80", 2),
            ],
        ),
        with_sorry_server(
            "[2001:db8::30]:0",
            service(
                "marked",
                "fwmark 10 ipv6",
                &[("rs6", "[2001:db8::21]:0", 1)],
            ),
        ),
    ];
    config.sha256 = "5f".repeat(32);
    config
}

/// The same, with `web` asked through its VIP.
pub(crate) fn config_through_vip() -> Config {
    let mut config = config();
    Arc::make_mut(&mut config.virtual_services[0].check).via = Via::Vip;
    config
}

/// The clients' way to 192.168.11.`last`, by direct routing.
pub(crate) fn path(last: u8) -> ProbePath {
    ProbePath {
        family: Family::Ipv4,
        real_server: [192, 168, 11, last].into(),
        forwarding: Forwarding::Direct,
    }
}

/// A process that has run since the start.
fn process(host: &str) -> ProcessRecord {
    ProcessRecord {
        host: host.to_owned(),
        pid: 1234,
        started_at: start(),
        dry_run: false,
        table_in_kernel: true,
    }
}

/// A director that has run for a minute: rs1 is up, rs2 down and lost from
/// the table, and nothing is known of rs6.
pub(crate) fn director() -> Snapshot {
    let at = start();
    let path = "/etc/lvs-agent/config.yaml".into();
    let snapshot = Snapshot::director(&config(), path, at).of_process(process("lvs1"));
    let later = at + Duration::from_mins(1);
    let [rs1, rs2] = snapshot.services[0].real_servers.as_slice() else {
        panic!("web has two real servers");
    };
    {
        let mut live = rs1.live.lock();
        live.health = Health::Up;
        live.since = at + Duration::from_secs(2);
        live.desired = Weight::ONE;
        live.kernel = Some(Weight::ONE);
        live.connections.inactive = 3;
        live.statistics.observe(Statistics {
            connections: 42,
            incoming_bytes: 9000,
            ..Statistics::default()
        });
        live.last_probe = Some(LastProbe {
            at: later,
            result: ProbeResult::Ok,
            detail: "HTTP 200".to_owned(),
            duration: Duration::from_micros(1200),
        });
        live.counters.set_probes(ProbeResult::Ok, 60);
        live.diagnosis = Some(Diagnosis::Ok);
        live.counters.set_transitions(1, 0);
    }
    {
        let mut live = rs2.live.lock();
        live.health = Health::Down;
        live.since = at + Duration::from_secs(30);
        live.last_probe = Some(LastProbe {
            at: later,
            result: ProbeResult::Refused,
            detail: "connection refused".to_owned(),
            duration: Duration::from_micros(300),
        });
        live.counters.set_probes(ProbeResult::Refused, 30);
        live.diagnosis = Some(Diagnosis::ApplicationDown);
        live.counters.set_transitions(0, 1);
    }
    for (name, seconds, to, reason) in [
        ("rs1", 2, Health::Up, "1 probe passed"),
        (
            "rs2",
            30,
            Health::Down,
            "1 probe failed, the last with: connection refused",
        ),
    ] {
        snapshot.transitions.note(TransitionRecord {
            at: at + Duration::from_secs(seconds),
            service: "web".into(),
            real_server: name.into(),
            to,
            reason: reason.to_owned(),
            diagnosis: (to == Health::Down).then_some(Diagnosis::ApplicationDown),
        });
    }
    snapshot.services[0].statistics.lock().observe(Statistics {
        connections: 42,
        ..Statistics::default()
    });
    snapshot.reconcile.lock().last_success = Some(later);
    snapshot
        .vips
        .lock()
        .values_mut()
        .for_each(|configured| *configured = true);
    let vip = "192.168.11.200".parse().unwrap();
    snapshot.arp.lock().vips.insert(vip, BTreeMap::new());
    snapshot
}

/// A minute later, its conditions are derived.
pub(crate) fn examine(snapshot: &Snapshot) {
    Examiner::default().step(snapshot, start() + Duration::from_mins(1));
}

/// The same, where rs1 and a foreign host answer for the VIP, and rs1 is quiesced.
pub(crate) fn with_arp_conflicts() -> Snapshot {
    let snapshot = director();
    let conflict = |names: &[(&str, &str)]| ConflictRecord {
        since: start() + Duration::from_secs(10),
        real_servers: names
            .iter()
            .map(|(rip, name)| (rip.parse().unwrap(), Arc::from(*name)))
            .collect(),
    };
    let conflicts = [
        (0x21, conflict(&[("192.168.11.21", "rs1")])),
        (0x99, conflict(&[])),
    ];
    let conflicts = conflicts.map(|(last, found)| (MacAddress([2, 0, 0, 0, 0, last]), found));
    let vip = "192.168.11.200".parse().unwrap();
    snapshot.arp.lock().vips.insert(vip, conflicts.into());
    snapshot.services[0].real_servers[0].live.lock().quiesced = Some(Quiesced::ArpConflict);
    snapshot
}

/// A real server whose VIP is in place and whose sysctl is not.
pub(crate) fn real_server() -> Snapshot {
    let vip = "192.168.11.200".parse().unwrap();
    let role = config().real_server;
    let snapshot =
        Snapshot::real_server(&role, [vip], "/etc/lvs-agent/config.yaml".into(), start())
            .of_process(process("web1"));
    *snapshot.loaded.lock() = LoadedRecord::of(&config(), Role::RealServer, start());
    snapshot.vips.lock().insert((vip, "lo".to_owned()), true);
    let address = SocketAddr::new(vip, 80);
    *snapshot.readiness.lock() = Some(ReadinessRecord {
        at: start(),
        seen: crate::runtime::clock::monotonic(),
        arp: [(
            "eth0".to_owned(),
            ArpValues {
                ignore: 0,
                announce: 2,
            },
        )]
        .into(),
        services: vec![ServiceReadiness {
            service: ServedService {
                name: "web".into(),
                protocol: Protocol::Tcp,
                address,
                own: Some("192.168.11.21".parse().unwrap()),
            },
            vip_configured: true,
            listening: Some(true),
            self_test: Some(SelfTest { failure: None }),
            issues: vec![ReadinessIssue::ArpIgnore {
                interface: "eth0".to_owned(),
                value: 0,
            }],
        }],
        error: None,
    });
    for record in snapshot.sysctls.lock().values_mut() {
        record.have = Some("0".to_owned());
    }
    snapshot
}
