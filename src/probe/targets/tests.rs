use std::num::NonZeroU16;

use super::*;
use crate::config::{Check, Pool, RealServer, StatusRanges, VirtualService};
use crate::model::{Forwarding, RealServerKey, Scheduler, ServiceFlags, Weight};
use crate::snapshot::fixture;

fn check(path: &str, rise: u16) -> Check {
    Check {
        http: HttpCheck {
            path: path.to_owned(),
            host: None,
            port: 8080,
            expected_status: StatusRanges::new([200..=299]).unwrap(),
        },
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: NonZeroU16::new(rise).unwrap(),
        fall: NonZeroU16::MIN,
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
            (
                target.spec.target.to_string(),
                target.spec.check.http.path.clone(),
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
