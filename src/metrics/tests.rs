use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::{CheckKind, PerRealServer};
use crate::model::{
    AdminState, FreezeReason, Health, MassFailure, ProbeResult, Quiesced, Reached, Statistics,
    SyncDaemon, SyncState, TableStatus,
};
use crate::status::fixture;

/// Long after the counters of the fixture left 0.
fn now() -> SystemTime {
    fixture::start() + Duration::from_hours(1)
}

fn scrape(snapshot: Snapshot) -> String {
    let names: Vec<_> = snapshot
        .services
        .iter()
        .map(|service| Arc::clone(&service.name))
        .collect();
    let metrics = Metrics::new(names.iter().map(AsRef::as_ref)).unwrap();
    metrics
        .exposition(Arc::new(snapshot), Format::Text, None, now())
        .collect()
}

/// Every series with its value, having checked what the format demands: each
/// series once, all of a family together, below its HELP and TYPE.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeSet::new();
    let mut family = "";
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest.split(' ').next().unwrap(), family);
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(family), "{line} below {family}");
            let value = value.parse().unwrap();
            assert!(found.insert(name.to_owned(), value).is_none(), "{line}");
        }
    }
    found
}

/// The table of metrics that users rely on, with the labels that it names.
const TABLE: &[(&str, &[&str])] = &[
    ("lvs_agent_info", &["version", "mode", "table", "dry_run"]),
    ("lvs_config_info", &["sha256"]),
    (
        "lvs_virtual_service_info",
        &[
            "service",
            "address",
            "port",
            "protocol",
            "fwmark",
            "scheduler",
            "forwarding",
        ],
    ),
    ("lvs_check_interval_seconds", &["service"]),
    (
        "lvs_real_server_info",
        &["service", "real_server", "address", "port"],
    ),
    ("lvs_real_server_up", &["service", "real_server"]),
    (
        "lvs_real_server_weight",
        &["service", "real_server", "kind"],
    ),
    (
        "lvs_real_server_current_connections",
        &["service", "real_server", "state"],
    ),
    (
        "lvs_real_server_connections_total",
        &["service", "real_server"],
    ),
    (
        "lvs_real_server_incoming_packets_total",
        &["service", "real_server"],
    ),
    (
        "lvs_real_server_outgoing_packets_total",
        &["service", "real_server"],
    ),
    (
        "lvs_real_server_incoming_bytes_total",
        &["service", "real_server"],
    ),
    (
        "lvs_real_server_outgoing_bytes_total",
        &["service", "real_server"],
    ),
    ("lvs_virtual_service_connections_total", &["service"]),
    ("lvs_virtual_service_incoming_packets_total", &["service"]),
    ("lvs_virtual_service_outgoing_packets_total", &["service"]),
    ("lvs_virtual_service_incoming_bytes_total", &["service"]),
    ("lvs_virtual_service_outgoing_bytes_total", &["service"]),
    ("lvs_virtual_service_real_servers", &["service", "health"]),
    ("lvs_virtual_service_quorum_met", &["service"]),
    ("lvs_virtual_service_fail_open", &["service"]),
    ("lvs_virtual_service_quorum_weight", &["service"]),
    ("lvs_virtual_service_up_weight", &["service"]),
    ("lvs_virtual_service_configured_weight", &["service"]),
    ("lvs_ipvs_connections_total", &[]),
    ("lvs_ipvs_incoming_packets_total", &[]),
    ("lvs_ipvs_outgoing_packets_total", &[]),
    ("lvs_ipvs_incoming_bytes_total", &[]),
    ("lvs_ipvs_outgoing_bytes_total", &[]),
    ("lvs_ipvs_sync_daemon", &["state", "interface", "sync_id"]),
    ("lvs_reconcile_pending_steps", &[]),
    (
        "lvs_real_server_last_probe_duration_seconds",
        &["service", "real_server"],
    ),
    (
        "lvs_real_server_drain_started_timestamp_seconds",
        &["service", "real_server"],
    ),
    ("lvs_sorry_server_up", &["service"]),
    ("lvs_sorry_server_active", &["service"]),
    ("lvs_weights_frozen", &["reason"]),
    ("lvs_probes_total", &["service", "real_server", "result"]),
    (
        "lvs_probe_failures_total",
        &["service", "real_server", "cause"],
    ),
    ("lvs_probe_duration_seconds_count", &["service"]),
    ("lvs_transitions_total", &["service", "real_server", "to"]),
    (
        "lvs_real_server_last_transition_timestamp_seconds",
        &["service", "real_server"],
    ),
    ("lvs_detection_seconds_count", &["service"]),
    ("lvs_ipvs_operations_total", &["command", "result"]),
    ("lvs_drift_total", &["kind"]),
    ("lvs_resync_interval_seconds", &[]),
    ("lvs_reconcile_last_success_timestamp_seconds", &[]),
    ("lvs_reconcile_duration_seconds_count", &[]),
    ("lvs_config_last_reload_successful", &[]),
    ("lvs_config_last_reload_success_timestamp_seconds", &[]),
    ("lvs_vip_configured", &["vip", "interface"]),
    ("lvs_arp_conflicts", &["vip"]),
    (
        "lvs_real_server_quiesced",
        &["service", "real_server", "reason"],
    ),
    (
        "lvs_real_server_diagnosis",
        &["service", "real_server", "cause"],
    ),
    ("lvs_log_lines_dropped_total", &[]),
    ("process_resident_memory_bytes", &[]),
];

#[test]
fn every_metric_of_the_interface_is_there() {
    let snapshot = fixture::director();
    let sorry_server = snapshot.services[1].sorry_server.as_ref().unwrap();
    sorry_server.live.lock().health = Health::Up;
    {
        let mut live = snapshot.services[0].real_servers[1].live.lock();
        live.quiesced = Some(Quiesced::ArpConflict);
        live.admin = AdminState::Draining;
        live.decision = Some(Box::new(crate::model::Decision {
            since: Some(fixture::start()),
            ..crate::model::Decision::default()
        }));
    }
    snapshot.table.lock().sync_daemons.insert(SyncDaemon {
        state: SyncState::Backup,
        interface: "eth0".to_owned(),
        sync_id: 7,
    });
    let text = scrape(snapshot);
    let found = series(&text);
    for (name, labels) in TABLE {
        let of_name = found
            .keys()
            .find(|series| series.split('{').next() == Some(name))
            .unwrap_or_else(|| panic!("{name} is missing in:\n{text}"));
        for label in *labels {
            assert!(of_name.contains(&format!("{label}=\"")), "{of_name}");
        }
        assert_eq!(of_name.matches("=\"").count(), labels.len(), "{of_name}");
    }
    assert!(
        (found["lvs_vip_configured{vip=\"192.168.11.200\",interface=\"eth0\"}"] - 1.0).abs() < 0.1
    );
}

#[test]
fn exposes_problems_of_a_pool() {
    let snapshot = fixture::director();
    {
        let status = &mut snapshot.services[1].pool.lock().status;
        status.quorum_met = false;
        status.sorry_serves = true;
    }
    snapshot.services[0].pool.lock().status.fail_open = true;
    snapshot
        .frozen
        .lock()
        .insert(FreezeReason::Probes(MassFailure {
            result: ProbeResult::Timeout,
            reached: Reached::Nobody,
            with_result: 4,
            example: None,
            failing: 4,
            check_changed: false,
        }));
    let found = series(&scrape(snapshot));
    for (series, value) in [
        (r#"lvs_virtual_service_quorum_met{service="web"}"#, 1),
        (r#"lvs_virtual_service_quorum_met{service="marked"}"#, 0),
        (r#"lvs_virtual_service_fail_open{service="web"}"#, 1),
        (r#"lvs_virtual_service_fail_open{service="marked"}"#, 0),
        (r#"lvs_sorry_server_active{service="marked"}"#, 1),
        (r#"lvs_weights_frozen{reason="link"}"#, 0),
        (r#"lvs_weights_frozen{reason="interface"}"#, 0),
        (r#"lvs_weights_frozen{reason="probes"}"#, 1),
        (r#"lvs_weights_frozen{reason="clock"}"#, 0),
    ] {
        assert!((found[series] - f64::from(value)).abs() < 0.1, "{series}");
    }
    assert!(
        !found.contains_key(r#"lvs_sorry_server_active{service="web"}"#),
        "it has none"
    );
}

#[test]
fn values_come_from_the_snapshot() {
    let found = series(&scrape(fixture::director()));
    for (series, value) in [
        (
            r#"lvs_real_server_up{service="web",real_server="rs1"}"#,
            1.0,
        ),
        (
            r#"lvs_real_server_up{service="web",real_server="rs2"}"#,
            0.0,
        ),
        (
            r#"lvs_real_server_weight{service="web",real_server="rs2",kind="configured"}"#,
            2.0,
        ),
        (
            r#"lvs_real_server_weight{service="web",real_server="rs1",kind="kernel"}"#,
            1.0,
        ),
        (
            r#"lvs_real_server_current_connections{service="web",real_server="rs1",state="inactive"}"#,
            3.0,
        ),
        (
            r#"lvs_real_server_incoming_bytes_total{service="web",real_server="rs1"}"#,
            9000.0,
        ),
        (
            r#"lvs_virtual_service_connections_total{service="web"}"#,
            42.0,
        ),
        (
            r#"lvs_virtual_service_real_servers{service="web",health="up"}"#,
            1.0,
        ),
        (
            r#"lvs_virtual_service_real_servers{service="marked",health="unknown"}"#,
            1.0,
        ),
        (
            r#"lvs_probes_total{service="web",real_server="rs2",result="failed"}"#,
            30.0,
        ),
        (
            r#"lvs_probe_failures_total{service="web",real_server="rs2",cause="refused"}"#,
            30.0,
        ),
        (
            r#"lvs_transitions_total{service="web",real_server="rs2",to="down"}"#,
            1.0,
        ),
        (
            "lvs_reconcile_last_success_timestamp_seconds",
            1_767_323_105.0,
        ),
        ("lvs_config_last_reload_successful", 1.0),
    ] {
        assert!((found[series] - value).abs() < 0.001, "{series}");
    }
    assert!(!found.contains_key(r#"lvs_real_server_up{service="marked",real_server="rs6"}"#));
    assert!(
        !found.contains_key(
            r#"lvs_real_server_weight{service="web",real_server="rs2",kind="kernel"}"#
        )
    );
}

#[test]
fn series_exist_from_the_start() {
    let snapshot = Snapshot::director(&fixture::config(), "c".into(), fixture::start());
    let found = series(&scrape(snapshot));
    let count = |name: &str| {
        let with_brace = format!("{name}{{");
        found
            .keys()
            .filter(|series| series.starts_with(&with_brace))
            .count()
    };
    assert_eq!(count("lvs_real_server_up"), 0);
    assert_eq!(count("lvs_probes_total"), 4 * 2, "the sorry server, too");
    assert_eq!(count("lvs_transitions_total"), 4 * 2);
    let sorry = r#"lvs_transitions_total{service="marked",real_server="sorry_server",to="up"}"#;
    assert!(found.contains_key(sorry));
    assert_eq!(count("lvs_real_server_current_connections"), 3 * 2);
    assert_eq!(count("lvs_probe_duration_seconds_count"), 2);
    assert_eq!(count("lvs_detection_seconds_count"), 2);
    assert_eq!(count("lvs_ipvs_operations_total"), 12 * 2);
    assert_eq!(count("lvs_drift_total"), 8);
    assert!(found["lvs_reconcile_last_success_timestamp_seconds"].abs() < 0.1);
}

#[test]
fn a_real_server_shows_its_host() {
    let text = scrape(fixture::real_server());
    let found = series(&text);
    assert!(text.contains("mode=\"real_server\""));
    assert!(found["lvs_sysctl_ok{key=\"net.ipv4.conf.all.arp_ignore\"}"].abs() < 0.1);
    assert!(found["lvs_vip_configured{vip=\"192.168.11.200\",interface=\"lo\"}"] > 0.9);
    assert!(!text.contains("lvs_real_server_up"));
}

#[test]
fn what_the_tasks_count_is_shown() {
    let metrics = Metrics::new(["web", "marked"]).unwrap();
    metrics.probe_finished(1, Duration::from_millis(2));
    metrics.detected(0, Duration::from_secs(3));
    metrics.ipvs_operation(IpvsCommand::DelDest, false);
    metrics.ipvs_operation(IpvsCommand::GetServices, true);
    metrics.drift(DriftKind::SysctlChanged);
    metrics.reconciled(Duration::from_millis(7));
    let snapshot = Arc::new(fixture::director());
    let text: String = metrics
        .exposition(snapshot, Format::Text, None, now())
        .collect();
    let found = series(&text);
    for series in [
        r#"lvs_probe_duration_seconds_count{service="marked"}"#,
        r#"lvs_detection_seconds_bucket{service="web",le="3"}"#,
        r#"lvs_ipvs_operations_total{command="del_dest",result="error"}"#,
        r#"lvs_ipvs_operations_total{command="get_services",result="ok"}"#,
        r#"lvs_drift_total{kind="sysctl_changed"}"#,
        "lvs_reconcile_duration_seconds_count",
    ] {
        assert!((found[series] - 1.0).abs() < 0.001, "{series}");
    }
    assert!(found[r#"lvs_probe_duration_seconds_count{service="web"}"#].abs() < 0.001);
}

#[test]
fn label_values_are_escaped() {
    let mut config = fixture::config();
    config.virtual_services[0].name = "a\"b\\c\nd".into();
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    let text = scrape(snapshot);
    series(&text);
    assert!(text.contains(r#"lvs_virtual_service_connections_total{service="a\"b\\c\nd"} 0"#));
}

#[test]
fn a_scrape_of_many_comes_in_small_pieces() {
    let mut config = fixture::config();
    let one = config.virtual_services[0].real_servers[0].clone();
    config.virtual_services[0].real_servers = (0..2000)
        .map(|number| crate::config::RealServer {
            name: format!("rs{number}").into(),
            ..one.clone()
        })
        .collect();
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    let metrics = Metrics::new(["web", "marked"]).unwrap();
    let pieces = metrics.exposition(Arc::new(snapshot), Format::Text, None, now());
    let pieces: Vec<_> = pieces.collect();
    assert!(pieces.iter().all(|piece| piece.len() < 64 * 1024));
    assert!(series(&pieces.concat()).len() > 2000 * 12);
}

#[test]
fn who_answers_for_a_vip_is_counted_while_that_is_known() {
    let conflicts = r#"lvs_arp_conflicts{vip="192.168.11.200"}"#;
    let quiesced = |real_server| {
        format!(
            r#"lvs_real_server_quiesced{{service="web",real_server="{real_server}",reason="arp_conflict"}}"#
        )
    };
    let found = series(&scrape(fixture::director()));
    assert!(found[conflicts] < 0.1 && !found.contains_key(&quiesced("rs1")));
    let found = series(&scrape(fixture::with_arp_conflicts()));
    assert!((found[conflicts] - 2.0).abs() < 0.1);
    assert!(found[&quiesced("rs1")] > 0.9 && !found.contains_key(&quiesced("rs2")));

    let blind = fixture::with_arp_conflicts();
    blind.arp.lock().error = Some("it needs CAP_NET_RAW".to_owned());
    assert!(!series(&scrape(blind)).contains_key(conflicts));
}

#[test]
fn exposes_one_diagnosis_of_several() {
    let text = scrape(fixture::director());
    let found: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("lvs_real_server_diagnosis{"))
        .collect();
    let diagnosis = |real_server: &str, cause: &str| {
        format!(
            "lvs_real_server_diagnosis{{service=\"web\",real_server=\"{real_server}\",\
             cause=\"{cause}\"}} 1"
        )
    };
    let expected = [diagnosis("rs1", "ok"), diagnosis("rs2", "application_down")];
    assert_eq!(found, expected);
}

#[test]
fn facts_of_services_and_real_servers_are_labels() {
    let found = series(&scrape(fixture::director()));
    for info in [
        r#"lvs_virtual_service_info{service="web",address="192.168.11.200",port="80",protocol="tcp",fwmark="",scheduler="wlc",forwarding="direct"}"#,
        r#"lvs_virtual_service_info{service="marked",address="",port="",protocol="",fwmark="10",scheduler="wlc",forwarding="direct"}"#,
        r#"lvs_real_server_info{service="web",real_server="rs2",address="192.168.11.22",port="80"}"#,
        r#"lvs_real_server_info{service="marked",real_server="rs6",address="2001:db8::21",port="0"}"#,
    ] {
        let value = found.get(info);
        assert!(value.is_some_and(|value| *value > 0.9), "{info}: {value:?}");
    }
}

#[test]
fn the_configured_intervals_are_shown_by_both_roles() {
    let mut config = fixture::config();
    config.director.resync_interval = Duration::from_millis(2500);
    let check = Arc::make_mut(&mut config.virtual_services[1].check);
    check.interval = Duration::from_millis(200);
    let found = series(&scrape(Snapshot::director(
        &config,
        "c".into(),
        fixture::start(),
    )));
    for (series, value) in [
        ("lvs_resync_interval_seconds", 2.5),
        (r#"lvs_check_interval_seconds{service="web"}"#, 1.0),
        (r#"lvs_check_interval_seconds{service="marked"}"#, 0.2),
    ] {
        assert!((found[series] - value).abs() < 0.001, "{series}");
    }
    let found = series(&scrape(fixture::real_server()));
    assert!((found["lvs_resync_interval_seconds"] - 10.0).abs() < 0.001);
}

#[test]
fn longest_interval_of_the_real_servers_checks_is_that_of_the_service() {
    let mut config = fixture::config();
    let [web, marked] = config.virtual_services.as_mut_slice() else {
        panic!("two services");
    };
    let mut own = (*web.check).clone();
    own.interval = Duration::from_secs(5);
    web.real_servers[0].check = Some(Arc::new(own));
    let mut none = (*marked.check).clone();
    none.kind = CheckKind::None;
    marked.check = Arc::new(none);
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    let found = series(&scrape(snapshot));
    let web = r#"lvs_check_interval_seconds{service="web"}"#;
    assert!((found[web] - 5.0).abs() < 0.001);
    let marked = r#"lvs_check_interval_seconds{service="marked"}"#;
    assert_eq!(found.get(marked), None);
    let up = found.iter().filter(|(series, value)| {
        series.starts_with("lvs_real_server_up{service=\"marked\"") && **value > 0.5
    });
    assert_eq!(up.count(), 1);
    let is_probe = |series: &&String| {
        series.starts_with("lvs_probe") && series.contains("service=\"marked\",real_server=\"rs")
    };
    assert_eq!(found.keys().find(is_probe), None);
}

#[test]
fn the_last_transition_has_a_time_once_there_was_one() {
    let of = |real_server: &str| {
        format!(
            "lvs_real_server_last_transition_timestamp_seconds{{service=\"web\",\
             real_server=\"{real_server}\"}}"
        )
    };
    let snapshot = Snapshot::director(&fixture::config(), "c".into(), fixture::start());
    assert!(!series(&scrape(snapshot)).contains_key(&of("rs2")));
    let snapshot = fixture::director();
    {
        let mut live = snapshot.services[0].real_servers[1].live.lock();
        live.since = fixture::start() + Duration::from_millis(1500);
    }
    let found = series(&scrape(snapshot));
    assert!((found[&of("rs2")] - 1_767_323_046.5).abs() < 0.001);
}

#[test]
fn each_probe_counts_under_one_result_and_a_failed_one_under_one_cause() {
    for form in [PerRealServer::Full, PerRealServer::Compact] {
        let mut snapshot = fixture::director();
        snapshot.per_real_server = form;
        let made = {
            let mut live = snapshot.services[0].real_servers[1].live.lock();
            live.counters.set_probes(ProbeResult::Ok, 2);
            live.counters.set_probes(ProbeResult::Timeout, 3);
            live.counters.set_probes(ProbeResult::Unverified, 5);
            live.counters.set_probes(ProbeResult::Internal, 7);
            live.counters
                .probes()
                .into_iter()
                .map(u64::from)
                .sum::<u64>()
        };
        let text = scrape(snapshot);
        let counted = |family: &str, label: &str| -> Vec<(String, u64)> {
            let start = format!("{family}{{service=\"web\",real_server=\"rs2\",{label}=\"");
            let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
            lines
                .map(|line| {
                    let (value, count) = line.split_once("\"} ").unwrap();
                    (value.to_owned(), count.parse().unwrap())
                })
                .collect()
        };
        let expected = [
            ("ok", 2),
            ("failed", 33),
            ("unverified", 5),
            ("internal", 7),
        ];
        let results = counted("lvs_probes_total", "result");
        assert_eq!(
            results,
            expected.map(|(result, count)| (result.to_owned(), count)),
            "{form:?}"
        );
        let sum: u64 = results.iter().map(|(_, count)| count).sum();
        assert_eq!(sum, made, "{form:?}");
        let causes = counted("lvs_probe_failures_total", "cause");
        let expected: &[_] = if form == PerRealServer::Full {
            &[("refused".to_owned(), 30), ("timeout".to_owned(), 3)]
        } else {
            &[]
        };
        assert_eq!(causes, expected, "{form:?}");
    }
}

#[test]
fn counter_that_the_compact_form_leaves_out_appears_with_zero() {
    let mut snapshot = fixture::director();
    snapshot.per_real_server = PerRealServer::Compact;
    let began = fixture::start();
    snapshot.services[0].real_servers[1]
        .live
        .lock()
        .counters
        .set_first_failures(began, began + Duration::from_secs(30));
    let metrics = Metrics::new(["web", "marked"]).unwrap();
    let snapshot = Arc::new(snapshot);
    let counts = |seconds| {
        let now = began + Duration::from_secs(seconds);
        let pieces = metrics.exposition(Arc::clone(&snapshot), Format::Text, None, now);
        let found = series(&pieces.collect::<String>());
        let real_server = "service=\"web\",real_server=\"rs2\"";
        [
            found[&format!("lvs_probes_total{{{real_server},result=\"failed\"}}")],
            found[&format!("lvs_transitions_total{{{real_server},to=\"down\"}}")],
        ]
    };
    assert_eq!(counts(59).map(f64::to_bits), [0.0, 0.0].map(f64::to_bits));
    assert_eq!(counts(60).map(f64::to_bits), [30.0, 0.0].map(f64::to_bits));
    assert_eq!(counts(90).map(f64::to_bits), [30.0, 1.0].map(f64::to_bits));
}

/// The series of one real server of `web`.
fn of_real_server<'a>(text: &'a str, real_server: &str) -> Vec<&'a str> {
    let label = format!("{{service=\"web\",real_server=\"{real_server}\"");
    let lines = text.lines().filter(|line| line.contains(&label));
    lines.map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

#[test]
fn real_server_that_is_well_has_at_most_twenty_series() {
    let snapshot = fixture::director();
    let text = scrape(snapshot);
    let found = of_real_server(&text, "rs1");
    assert_eq!(found.len(), 19, "{found:#?}");

    let mut snapshot = fixture::director();
    let service = Arc::get_mut(&mut snapshot.services[0]).unwrap();
    service.is_persistent = true;
    let text = scrape(snapshot);
    let found = of_real_server(&text, "rs1");
    assert_eq!(found.len(), 20, "{found:#?}");
}

#[test]
fn compact_form_has_health_weight_transitions_and_probes() {
    let mut snapshot = fixture::director();
    snapshot.per_real_server = PerRealServer::Compact;
    let text = scrape(snapshot);
    let names = |text: &str, real_server: &str| {
        let found = of_real_server(text, real_server).into_iter();
        let label = format!("service=\"web\",real_server=\"{real_server}\"");
        let names: Vec<_> = found.map(|series| series.replace(&label, "")).collect();
        names
    };
    let expected = [
        "lvs_real_server_up{}",
        "lvs_real_server_weight{,kind=\"kernel\"}",
        "lvs_probes_total{,result=\"ok\"}",
        "lvs_transitions_total{,to=\"up\"}",
    ];
    assert_eq!(names(&text, "rs1"), expected);
    // The kernel has lost this one, which failed.
    let expected = [
        "lvs_real_server_up{}",
        "lvs_real_server_weight{,kind=\"desired\"}",
        "lvs_probes_total{,result=\"failed\"}",
        "lvs_transitions_total{,to=\"down\"}",
    ];
    assert_eq!(names(&text, "rs2"), expected);
    assert!(text.contains("lvs_virtual_service_connections_total{service=\"web\"} 42\n"));
    assert!(text.contains("lvs_probe_duration_seconds_bucket{service=\"web\",le=\"0.0005\"} 0\n"));
}

#[test]
fn off_leaves_services_and_totals() {
    let mut snapshot = fixture::director();
    snapshot.per_real_server = PerRealServer::Off;
    let text = scrape(snapshot);
    assert!(!text.contains("real_server=\""), "{text}");
    let found = series(&text);
    assert!(found.contains_key("lvs_ipvs_connections_total"));
    assert!(found[r#"lvs_virtual_service_real_servers{service="web",health="down"}"#] > 0.9);
}

#[test]
fn only_the_services_that_are_asked_for_are_shown() {
    let metrics = Metrics::new(["web", "marked"]).unwrap();
    let of = |only: &[usize]| {
        let snapshot = Arc::new(fixture::director());
        let text: String = metrics
            .exposition(snapshot, Format::Text, Some(only.to_vec()), now())
            .collect();
        series(&text)
    };
    let found = of(&[1]);
    assert!(found.len() > 20, "{found:?}");
    for series in found.keys() {
        assert!(series.contains("service=\"marked\""), "{series}");
    }
    for series in [
        r#"lvs_probe_duration_seconds_count{service="marked"}"#,
        r#"lvs_probes_total{service="marked",real_server="sorry_server",result="ok"}"#,
        r#"lvs_sorry_server_active{service="marked"}"#,
    ] {
        assert!(found.contains_key(series), "{series}");
    }
    assert!(
        of(&[0])
            .keys()
            .all(|series| series.contains("service=\"web\""))
    );
    assert!(of(&[]).is_empty(), "a reload may have removed it");
    let both: BTreeMap<_, _> = [of(&[0]), of(&[1])].into_iter().flatten().collect();
    assert_eq!(of(&[0, 1]), both);
}

#[test]
fn openmetrics_differs_in_heads_bounds_and_end() {
    let metrics = Metrics::new(["web", "marked"]).unwrap();
    let snapshot = Arc::new(fixture::director());
    let of = |format| -> String {
        let pieces = metrics.exposition(Arc::clone(&snapshot), format, None, now());
        pieces.collect()
    };
    let (text, open) = (of(Format::Text), of(Format::OpenMetrics));
    for line in [
        "# TYPE lvs_probes counter",
        "# HELP process_cpu_seconds Total user and system CPU time spent in seconds.",
        "lvs_probes_total{service=\"web\",real_server=\"rs1\",result=\"ok\"} 60",
        "lvs_detection_seconds_bucket{service=\"web\",le=\"1.0\"} 0",
        "lvs_detection_seconds_bucket{service=\"web\",le=\"+Inf\"} 0",
    ] {
        assert!(open.lines().any(|found| found == line), "{line}");
    }
    for line in [
        "# TYPE lvs_probes_total counter",
        "lvs_detection_seconds_bucket{service=\"web\",le=\"1\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
    assert!(!text.contains("# EOF"));
}

#[test]
fn weights_of_the_quorum_are_those_that_the_decision_sees() {
    let snapshot = fixture::director();
    snapshot.services[0].pool.lock().status.up_weight = 7;
    let text = scrape(snapshot);
    for line in [
        "lvs_virtual_service_up_weight{service=\"web\"} 7",
        "lvs_virtual_service_configured_weight{service=\"web\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn totals_of_the_table_are_a_directors() {
    let status = TableStatus {
        statistics: Statistics {
            connections: 17,
            ..Statistics::default()
        },
        ..TableStatus::default()
    };
    let snapshot = fixture::director();
    snapshot.table.lock().observe(&status);
    let found = series(&scrape(snapshot));
    assert!((found["lvs_ipvs_connections_total"] - 17.0).abs() < 0.1);

    let metrics = Metrics::of_real_server().unwrap();
    let snapshot = Arc::new(fixture::real_server());
    let text: String = metrics
        .exposition(snapshot, Format::Text, None, now())
        .collect();
    let found = series(&text);
    let of_table = found
        .keys()
        .filter(|series| series.starts_with("lvs_ipvs_"));
    assert_eq!(of_table.count(), 0);
    let drift = found
        .keys()
        .filter(|series| series.starts_with("lvs_drift_total"));
    assert_eq!(drift.count(), 2);
}
