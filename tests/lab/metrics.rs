//! `/metrics` of both roles, with promtool and ipvsadm as witnesses.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use crate::support::{Agent, Lan, Namespace, PATIENCE, agent, http_get, nginx, until};

const CONFIGURATION: &str = "
director:
  interface: eth0
  resync_interval: 1s
virtual_services:
  - name: web
    address: 192.168.11.200:80
    check:
      timeout: 20s
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
";

/// For what takes a second on a machine that is not emulated.
const SOON: Duration = Duration::from_mins(1);

const SERVICE: &[&str] = &["service"];
const REAL_SERVER: &[&str] = &["real_server", "service"];

/// What both roles show: the name, and the names of its labels, sorted.
const BOTH: &[(&str, &[&str])] = &[
    ("lvs_agent_info", &["dry_run", "mode", "table", "version"]),
    ("lvs_config_info", &["sha256"]),
    ("lvs_drift_total", &["kind"]),
    ("lvs_resync_interval_seconds", &[]),
    ("lvs_reconcile_last_success_timestamp_seconds", &[]),
    ("lvs_reconcile_pending_steps", &[]),
    ("lvs_reconcile_duration_seconds_count", &[]),
    ("lvs_reconcile_duration_seconds_sum", &[]),
    ("lvs_reconcile_duration_seconds_bucket", &["le"]),
    ("lvs_config_last_reload_successful", &[]),
    ("lvs_config_last_reload_success_timestamp_seconds", &[]),
    ("lvs_vip_configured", &["interface", "vip"]),
    ("process_cpu_seconds_total", &[]),
    ("process_open_fds", &[]),
    ("process_resident_memory_bytes", &[]),
];

/// What a director shows beside that.
const DIRECTOR: &[(&str, &[&str])] = &[
    (
        "lvs_virtual_service_info",
        &[
            "address",
            "forwarding",
            "fwmark",
            "port",
            "protocol",
            "scheduler",
            "service",
        ],
    ),
    ("lvs_check_interval_seconds", SERVICE),
    (
        "lvs_real_server_info",
        &["address", "port", "real_server", "service"],
    ),
    ("lvs_real_server_up", REAL_SERVER),
    (
        "lvs_real_server_weight",
        &["kind", "real_server", "service"],
    ),
    (
        "lvs_real_server_current_connections",
        &["real_server", "service", "state"],
    ),
    ("lvs_real_server_connections_total", REAL_SERVER),
    ("lvs_real_server_incoming_packets_total", REAL_SERVER),
    ("lvs_real_server_outgoing_packets_total", REAL_SERVER),
    ("lvs_real_server_incoming_bytes_total", REAL_SERVER),
    ("lvs_real_server_outgoing_bytes_total", REAL_SERVER),
    ("lvs_virtual_service_connections_total", SERVICE),
    ("lvs_virtual_service_incoming_packets_total", SERVICE),
    ("lvs_virtual_service_outgoing_packets_total", SERVICE),
    ("lvs_virtual_service_incoming_bytes_total", SERVICE),
    ("lvs_virtual_service_outgoing_bytes_total", SERVICE),
    ("lvs_virtual_service_real_servers", &["health", "service"]),
    ("lvs_virtual_service_quorum_met", SERVICE),
    ("lvs_virtual_service_quorum_weight", SERVICE),
    ("lvs_virtual_service_up_weight", SERVICE),
    ("lvs_virtual_service_configured_weight", SERVICE),
    ("lvs_virtual_service_fail_open", SERVICE),
    (
        "lvs_real_server_last_transition_timestamp_seconds",
        REAL_SERVER,
    ),
    ("lvs_real_server_last_probe_duration_seconds", REAL_SERVER),
    ("lvs_ipvs_connections_total", &[]),
    ("lvs_ipvs_incoming_packets_total", &[]),
    ("lvs_ipvs_outgoing_packets_total", &[]),
    ("lvs_ipvs_incoming_bytes_total", &[]),
    ("lvs_ipvs_outgoing_bytes_total", &[]),
    ("lvs_probes_total", &["real_server", "result", "service"]),
    ("lvs_probe_duration_seconds_count", SERVICE),
    ("lvs_probe_duration_seconds_sum", SERVICE),
    ("lvs_probe_duration_seconds_bucket", &["le", "service"]),
    (
        "lvs_real_server_diagnosis",
        &["cause", "real_server", "service"],
    ),
    ("lvs_transitions_total", &["real_server", "service", "to"]),
    ("lvs_detection_seconds_count", SERVICE),
    ("lvs_detection_seconds_sum", SERVICE),
    ("lvs_detection_seconds_bucket", &["le", "service"]),
    ("lvs_ipvs_operations_total", &["command", "result"]),
];

/// What a label may say, by metric and label.
const VALUES: &[(&str, &str, &[&str])] = &[
    (
        "lvs_real_server_weight",
        "kind",
        &["configured", "desired", "kernel"],
    ),
    (
        "lvs_real_server_current_connections",
        "state",
        &["active", "inactive"],
    ),
    (
        "lvs_virtual_service_real_servers",
        "health",
        &["down", "unknown", "up"],
    ),
    ("lvs_probes_total", "result", &["failed", "ok"]),
    ("lvs_real_server_diagnosis", "cause", &["ok"]),
    ("lvs_transitions_total", "to", &["down", "up"]),
];

/// A label's name and value.
type Label = (String, String);

/// One scrape, by series.
struct Scrape(BTreeMap<(String, Vec<Label>), String>);

impl Scrape {
    /// Of the agent that runs in `namespace`.
    fn of(namespace: &Namespace) -> Self {
        let text = namespace.run("curl -sSf -m 20 http://127.0.0.1:9477/metrics");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(samples.map(sample).collect())
    }

    /// The names of the labels that each metric has.
    fn shapes(&self) -> BTreeMap<&str, BTreeSet<Vec<&str>>> {
        let mut shapes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (name, labels) in self.0.keys() {
            let names = labels.iter().map(|(label, _)| label.as_str()).collect();
            shapes.entry(name.as_str()).or_default().insert(names);
        }
        shapes
    }

    /// All that `label` of the metric says, sorted.
    fn values(&self, metric: &str, label: &str) -> BTreeSet<&str> {
        let of_metric = self.0.keys().filter(|(name, _)| name == metric);
        of_metric
            .flat_map(|(_, labels)| labels)
            .filter(|(name, _)| name == label)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// A counter of a real server, or of the service where that is `None`.
    fn counter(&self, subject: Option<&str>, counter: &str) -> u64 {
        let mut labels = vec![("service".to_owned(), "web".to_owned())];
        let kind = match subject {
            Some(real_server) => {
                labels.insert(0, ("real_server".to_owned(), real_server.to_owned()));
                "real_server"
            }
            None => "virtual_service",
        };
        self.0[&(format!("lvs_{kind}_{counter}_total"), labels)]
            .parse()
            .unwrap()
    }

    #[track_caller]
    fn assert_has(&self, wanted: &[(&str, &[&str])]) {
        let shapes = self.shapes();
        for (name, labels) in wanted {
            let only = BTreeSet::from([labels.to_vec()]);
            assert_eq!(shapes.get(name), Some(&only), "{name}");
        }
    }
}

/// `name{label="value",…} number`; no label of the test holds a comma.
fn sample(line: &str) -> ((String, Vec<Label>), String) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut labels: Vec<Label> = labels
        .trim_end_matches('}')
        .split_terminator(',')
        .map(|label| {
            let (name, value) = label.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches('"').to_owned())
        })
        .collect();
    labels.sort();
    ((name.to_owned(), labels), value.to_owned())
}

/// Panics unless promtool finds nothing to say of the agent's metrics.
fn promtool(namespace: &Namespace) {
    let mut check = Command::new("bash");
    check.args([
        "-c",
        "set -o pipefail; curl -sSf http://127.0.0.1:9477/metrics | promtool check metrics 2>&1",
    ]);
    let output = namespace.output(check);
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && output_text.is_empty(),
        "{output_text}"
    );
}

fn ready(namespace: &Namespace, agent: &Agent) {
    until(SOON, "readiness", || {
        let mut curl = Command::new("curl");
        curl.args(["-sf", "-m", "20", "http://127.0.0.1:9477/readyz"]);
        let output = namespace.output(curl);
        output
            .status
            .success()
            .then_some(())
            .ok_or_else(|| agent.output())
    });
}

/// What `ipvsadm` counts, by address: connections, packets in and out, bytes
/// in and out.
fn ipvsadm_counts(director: &Namespace) -> BTreeMap<String, [u64; 5]> {
    let table = director.run("ipvsadm -Ln --stats --exact");
    let rows = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.nth(1)?.to_owned();
        let counts: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        Some((address, counts.try_into().ok()?))
    });
    rows.collect()
}

#[test]
fn a_directors_metrics_are_whole_and_agree_with_ipvsadm() {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    let _agents = [&lan.rs1, &lan.rs2].map(|host| {
        let agent = agent(host, CONFIGURATION, &["--real-server"]);
        ready(host, &agent);
        agent
    });
    let director = agent(&lan.director, CONFIGURATION, &[]);
    ready(&lan.director, &director);

    promtool(&lan.director);
    let before = Scrape::of(&lan.director);
    before.assert_has(BOTH);
    before.assert_has(DIRECTOR);
    for (metric, label, values) in VALUES {
        assert!(
            before
                .values(metric, label)
                .into_iter()
                .eq(values.iter().copied()),
            "{metric}: {label}: {:?}",
            before.values(metric, label)
        );
    }
    assert_eq!(before.counter(None, "connections"), 0);

    // Both have a weight once the table says so, and only then share evenly.
    until(SOON, "both real servers in turn", || {
        let table = lan.director.run("ipvsadm -Sn");
        (table.matches("-w 1").count() == 2)
            .then_some(())
            .ok_or(table)
    });
    let vip = "192.168.11.200:80".parse().unwrap();
    for _ in 0..6 {
        http_get(&lan.client, vip, PATIENCE).unwrap();
    }

    let subjects = [
        (None, "192.168.11.200:80"),
        (Some("rs1"), "192.168.11.21:80"),
        (Some("rs2"), "192.168.11.22:80"),
    ];
    // The kernel sums its processors' counts up every two seconds, and the
    // agent reads them at the next resync.
    until(SOON, "agreement of the agent and ipvsadm", || {
        let counted = ipvsadm_counts(&lan.director);
        let scrape = Scrape::of(&lan.director);
        let shown = subjects.map(|(subject, address)| {
            let counters = [
                "connections",
                "incoming_packets",
                "outgoing_packets",
                "incoming_bytes",
                "outgoing_bytes",
            ];
            let counts = counters.map(|counter| scrape.counter(subject, counter));
            (address.to_owned(), counts)
        });
        let shown = BTreeMap::from(shown);
        let connections = |address: &str| shown[address][0];
        let all_seen = connections("192.168.11.200:80") == 6
            && connections("192.168.11.21:80") == 3
            && connections("192.168.11.22:80") == 3;
        // A connection takes four packets of the client at least, of 40 bytes or more.
        let of_packets = shown.values().all(|[connections, packets, _, bytes, _]| {
            *packets >= 4 * connections && *bytes >= 40 * packets
        });
        (all_seen && of_packets && shown == counted)
            .then_some(())
            .ok_or((shown, counted))
    });
}

/// `ipvsadm` zeroes the kernel's counters and removes a destination; the agent's go on.
#[test]
fn counters_go_on_where_the_kernels_begin_again() {
    let lan = Lan::new();
    let _pages = [nginx(&lan.rs1, "rs1"), nginx(&lan.rs2, "rs2")];
    let _agents = [&lan.rs1, &lan.rs2].map(|host| {
        let agent = agent(host, CONFIGURATION, &["--real-server"]);
        ready(host, &agent);
        agent
    });
    let director = agent(&lan.director, CONFIGURATION, &[]);
    ready(&lan.director, &director);
    let vip = "192.168.11.200:80".parse().unwrap();
    let ask = |times: usize| {
        until(SOON, "both real servers with a weight", || {
            let table = lan.director.run("ipvsadm -Sn");
            (table.matches("-w 1").count() == 2)
                .then_some(())
                .ok_or(table)
        });
        for _ in 0..times {
            http_get(&lan.client, vip, PATIENCE).unwrap();
        }
    };
    let subjects = [None, Some("rs1"), Some("rs2")];
    let wait_for = |expected: u64| {
        until(SOON, "the connections counted", || {
            let scrape = Scrape::of(&lan.director);
            let [service, rs1, rs2] =
                subjects.map(|subject| scrape.counter(subject, "connections"));
            let total = &scrape.0[&("lvs_ipvs_connections_total".to_owned(), Vec::new())];
            let counted = [service, rs1 + rs2, total.parse().unwrap()];
            if counted == [expected; 3] {
                Ok(())
            } else {
                Err(counted)
            }
        });
    };
    ask(6);
    wait_for(6);
    lan.director.run("ipvsadm -Z");
    let zeroed = ipvsadm_counts(&lan.director);
    assert_eq!(zeroed["192.168.11.200:80"][0], 0);
    // A resync that has seen the zeroes.
    let passes = || {
        let scrape = Scrape::of(&lan.director);
        let name = "lvs_reconcile_duration_seconds_count".to_owned();
        scrape.0[&(name, Vec::new())].parse::<u64>().unwrap()
    };
    let before = passes();
    until(SOON, "two resyncs", || match passes() {
        now if now >= before + 2 => Ok(()),
        now => Err(now),
    });
    wait_for(6);
    ask(2);
    wait_for(8);

    lan.director
        .run("ipvsadm -d -t 192.168.11.200:80 -r 192.168.11.22:80");
    ask(4);
    wait_for(12);

    lan.director
        .run("ipvsadm --start-daemon master --mcast-interface eth0 --syncid 7");
    let daemon = ["interface=eth0", "state=master", "sync_id=7"].map(|label| {
        let (name, value) = label.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    });
    let series = ("lvs_ipvs_sync_daemon".to_owned(), daemon.to_vec());
    until(SOON, "the synchronization daemon", || {
        let scrape = Scrape::of(&lan.director);
        scrape.0.contains_key(&series).then_some(()).ok_or(scrape.0)
    });
    lan.director.run("ipvsadm --stop-daemon master");
    until(SOON, "its end", || {
        let scrape = Scrape::of(&lan.director);
        (!scrape.0.contains_key(&series))
            .then_some(())
            .ok_or(scrape.0)
    });
}

#[test]
fn a_real_servers_metrics_are_whole() {
    let lan = Lan::new();
    let agent = agent(&lan.rs1, CONFIGURATION, &["--real-server"]);
    ready(&lan.rs1, &agent);

    promtool(&lan.rs1);
    let scrape = Scrape::of(&lan.rs1);
    scrape.assert_has(BOTH);
    scrape.assert_has(&[("lvs_sysctl_ok", &["key"])]);
    assert_eq!(
        scrape.values("lvs_agent_info", "mode"),
        ["real_server"].into()
    );
    assert_eq!(
        scrape.values("lvs_vip_configured", "interface"),
        ["lo"].into()
    );
    let sysctls = scrape
        .0
        .iter()
        .filter(|((name, _), _)| name == "lvs_sysctl_ok");
    assert_eq!(sysctls.filter(|(_, value)| *value == "1").count(), 5);
}
