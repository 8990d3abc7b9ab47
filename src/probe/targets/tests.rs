use std::num::NonZeroU16;

use super::*;
use crate::config::{Check, HttpCheck, Pool, RealServer, StreamCheck, VirtualService};
use crate::model::{Forwarding, RealServerKey, Scheduler, ServiceFlags, Weight};
use crate::status::fixture;

fn check(path: &str, rise: u16) -> Check {
    let http = HttpCheck {
        path: path.to_owned(),
        port: Some(8080),
        ..fixture::http_check()
    };
    Check {
        rise: NonZeroU16::new(rise).unwrap(),
        ..fixture::check(CheckKind::Http(http))
    }
}

fn service(name: &str, address: &str, check: Check, real_servers: &[&str]) -> VirtualService {
    VirtualService {
        name: name.into(),
        key: address.parse().unwrap(),
        scheduler: Scheduler::default(),
        flags: ServiceFlags::default(),
        forwarding: Forwarding::Direct,
        persistence: None,
        check: Arc::new(check),
        pool: Pool::default(),
        real_servers: real_servers
            .iter()
            .map(|address| RealServer {
                name: (*address).into(),
                key: address.parse::<RealServerKey>().unwrap(),
                forwarding: None,
                check: None,
                weight: Weight::ONE,
                upper_threshold: 0,
                lower_threshold: 0,
            })
            .collect(),
    }
}

#[test]
fn equal_probes_are_made_once_for_all() {
    let config = Config {
        virtual_services: vec![
            service(
                "web",
                "tcp 192.0.2.1:80",
                check("/", 2),
                &["198.51.100.2:80", "198.51.100.1:80"],
            ),
            service(
                "tls",
                "tcp 192.0.2.1:443",
                check("/", 5),
                &["198.51.100.1:443"],
            ),
            service(
                "api",
                "tcp 192.0.2.1:81",
                check("/api", 2),
                &["198.51.100.1:81"],
            ),
        ],
        ..fixture::config()
    };
    let id = |service, real_server| RealServerId {
        service,
        real_server,
    };
    let found: Vec<_> = probe_targets(&config)
        .into_iter()
        .map(|target| {
            let CheckKind::Http(http) = &target.spec.check.kind else {
                panic!("all are of HTTP");
            };
            (
                target.spec.target.to_string(),
                http.path.clone(),
                target.subscribers,
            )
        })
        .collect();
    let expected = [
        ("198.51.100.1:8080", "/", vec![id(0, 1), id(1, 0)]),
        ("198.51.100.1:8080", "/api", vec![id(2, 0)]),
        ("198.51.100.2:8080", "/", vec![id(0, 0)]),
    ]
    .map(|(target, path, ids)| (target.to_owned(), path.to_owned(), ids));
    assert_eq!(found, expected);
}

#[test]
fn another_interval_or_timeout_is_another_probe() {
    let slow = Check {
        interval: Duration::from_secs(2),
        ..check("/", 2)
    };
    let patient = Check {
        timeout: Duration::from_secs(2),
        ..check("/", 2)
    };
    let services = [check("/", 2), slow, patient]
        .into_iter()
        .zip(80_u16..)
        .map(|(check, port)| {
            let address = format!("tcp 192.0.2.1:{port}");
            service("web", &address, check, &["198.51.100.1:80"])
        });
    let config = Config {
        virtual_services: services.collect(),
        ..fixture::config()
    };
    assert_eq!(probe_targets(&config).len(), 3);
}

#[test]
fn a_port_that_is_not_asked_makes_no_other_probe() {
    let targets = |kind: CheckKind| {
        let services = ["tcp 192.0.2.1:80", "tcp 192.0.2.1:443"].map(|address| {
            let port = address.rsplit(':').next().unwrap();
            let real_server = format!("198.51.100.1:{port}");
            let check = fixture::check(kind.clone());
            service("web", address, check, &[&real_server])
        });
        let config = Config {
            virtual_services: services.to_vec(),
            ..fixture::config()
        };
        let targets = probe_targets(&config).into_iter();
        let ports: Vec<_> = targets.map(|target| target.spec.target.port()).collect();
        ports
    };
    let tcp = |port| {
        CheckKind::Stream(StreamCheck {
            port,
            tls: None,
            steps: Vec::new(),
        })
    };
    assert_eq!(targets(tcp(None)), [80, 443]);
    assert_eq!(targets(tcp(Some(25))), [25]);
    assert_eq!(targets(CheckKind::Ping), [0]);
    let all = |port| CheckKind::All(vec![CheckKind::Ping, tcp(port)]);
    assert_eq!(targets(all(Some(25))), [0]);
    assert_eq!(targets(all(None)), [80, 443]);
}
