//! Checks against real servers: programs of Debian's own, all on rs1. What the
//! director makes of them is seen in the kernel's table.

mod advice;
mod authority;
mod certificates;
mod kinds;
mod pace;
mod server;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Namespace, PATIENCE, Process, Site, http_get_path, until};

/// For verdicts of many checks, some of which wait for their time-out first.
const SOON: Duration = Duration::from_mins(3);
const LISTENS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9477);

/// A director whose virtual services have one real server each: rs1.
struct Director<'a> {
    host: &'a Namespace,
    _agent: Process,
}

/// What is seen of one virtual service: the weight by `ipvsadm`, result and
/// detail by `/status`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) weight: u32,
    pub(crate) result: String,
    pub(crate) detail: String,
}

/// What should be: the service, its weight, the result, and a part of the detail.
type Expected<'a> = (&'a str, u32, &'a str, &'a str);

/// A virtual service with rs1 as its only real server. `check` is a mapping
/// without its braces; so are `further` keys, of the real server.
pub(crate) fn service(name: &str, protocol: &str, port: u16, check: &str, further: &str) -> String {
    format!(
        "
  - name: {name}
    address: 192.168.11.200:{port}
    protocol: {protocol}
    flap_damping: false
    check: {{ {check} }}
    real_servers: [{{ name: rs1, address: 192.168.11.21{further} }}]
"
    )
}

impl<'a> Director<'a> {
    fn start(host: &'a Namespace, site: &Site, services: &[String]) -> Self {
        let services = services.concat();
        site.write_configuration(&format!(
            "http: {{ listen: {LISTENS} }}\n\
             director: {{ interface: eth0, resync_interval: 1s }}\n\
             virtual_services:\n{services}"
        ));
        let agent = site.start(host, &[]);
        Self {
            host,
            _agent: agent,
        }
    }

    /// Waits until all of these are so at once, each of them by a new probe.
    fn wait_for(&self, what: &str, expected: &[Expected<'_>]) {
        let before = self.probes(expected);
        until(SOON, what, || {
            let seen = seen(self.host);
            let now = self.probes(expected);
            let counted = before.iter().zip(now).map(|(before, now)| now > *before);
            let other: Vec<_> = expected
                .iter()
                .zip(counted)
                .filter_map(|(row, counted)| {
                    let (service, weight, result, detail) = row;
                    let seen = &seen[*service];
                    let right = seen.weight == *weight
                        && seen.result == *result
                        && seen.detail.contains(detail);
                    (!right || !counted).then(|| (*row, seen.clone(), counted))
                })
                .collect();
            if other.is_empty() { Ok(()) } else { Err(other) }
        });
    }

    /// How many probes of each service had the expected result so far.
    fn probes(&self, expected: &[Expected<'_>]) -> Vec<f64> {
        let metrics = get(self.host, "/metrics");
        let count = |(service, _, result, _): &Expected<'_>| {
            let labels = format!("service=\"{service}\",real_server=\"rs1\"");
            let series = [
                format!("lvs_probes_total{{{labels},result=\"{result}\"}}"),
                format!("lvs_probe_failures_total{{{labels},cause=\"{result}\"}}"),
            ];
            let mut counts = series
                .iter()
                .filter_map(|series| metrics.lines().find_map(|line| line.strip_prefix(series)));
            let count = counts.next();
            assert_eq!(counts.next(), None, "{result} is a result or a cause");
            // What has not occurred has no series.
            count.map_or(0.0, |count| count.trim().parse().expect("a number"))
        };
        expected.iter().map(count).collect()
    }
}

/// What is seen of each virtual service of the agent on `host`, by name.
pub(crate) fn seen(host: &Namespace) -> BTreeMap<String, Seen> {
    let table = host.run("ipvsadm -Sn");
    let status = get(host, "/status");
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let services = status["virtual_services"].as_array().expect("a list");
    let seen = services.iter().map(|service| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let option = if service["protocol"] == "udp" {
            "u"
        } else {
            "t"
        };
        let start = format!("-a -{option} {} ", text(&service["address"]));
        let line = table.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no {start} in:\n{table}"));
        let (_, weight) = line.rsplit_once("-w ").expect("a weight");
        let probe = &service["real_servers"][0]["last_probe"];
        let seen = Seen {
            weight: weight.trim().parse().expect("a number"),
            result: text(&probe["result"]),
            detail: text(&probe["detail"]),
        };
        (text(&service["name"]), seen)
    });
    seen.collect()
}

fn get(host: &Namespace, path: &str) -> String {
    http_get_path(host, LISTENS, path, PATIENCE).expect("an answer of the agent")
}
