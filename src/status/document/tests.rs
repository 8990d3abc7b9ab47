use std::sync::Arc;

use expect_test::expect_file;

use super::*;
use crate::model::{
    AdminState, CertificateExpiry, Checksum, Connections, Diagnosis, Forwarding, Health,
    ServiceFlags, Tunnel, Watching, Weight,
};
use crate::runtime::shared::Shared;
use crate::status::{Examiner, LeavingRecord, fixture};

fn pretty(snapshot: &Snapshot) -> String {
    fixture::examine(snapshot);
    let status: StatusResponse =
        serde_json::from_slice(&json(snapshot, &Filter::default()).unwrap()).unwrap();
    serde_json::to_string_pretty(&status).unwrap() + "\n"
}

#[test]
fn the_status_of_a_director() {
    expect_file!["director.json"].assert_eq(&pretty(&fixture::director()));
}

#[test]
fn the_clients_that_a_scheduler_refuses_are_told_of() {
    let warnings = |scheduler: &str, kernel: &str| {
        let mut config = fixture::config();
        let web = &mut config.virtual_services[0];
        web.scheduler = scheduler.parse().unwrap();
        if kernel == "fallback" {
            web.flags = ServiceFlags::FALLBACK;
        }
        let snapshot = Snapshot::director(&config, "".into(), std::time::UNIX_EPOCH);
        let [rs1, rs2] = snapshot.services[0].real_servers.as_slice() else {
            panic!("web has two real servers");
        };
        rs1.live.lock().kernel = Some(Weight::ONE);
        rs2.live.lock().kernel = (kernel != "absent").then_some(Weight::ZERO);
        ServiceStatus::of(&snapshot.services[0], |_| true).warnings()
    };
    let refused = |scheduler: &str| {
        [format!(
            "the scheduler {scheduler} refuses the clients of rs2, until it has weight again: \
             `scheduler_flags: [fallback]` gives them to others"
        )]
    };
    assert_eq!(warnings("sh", "zero"), refused("sh"));
    assert_eq!(warnings("mh", "zero"), refused("mh"));
    for (scheduler, kernel) in [("wlc", "zero"), ("sh", "fallback"), ("mh", "absent")] {
        assert_eq!(
            warnings(scheduler, kernel),
            Vec::<String>::new(),
            "{scheduler}"
        );
    }
}

#[test]
fn fix_and_forwarding_are_those_of_the_real_server_itself() {
    let mut config = fixture::config();
    config.virtual_services[0].real_servers[1].forwarding = Some(Forwarding::Masquerade);
    let snapshot = Snapshot::director(&config, "".into(), std::time::UNIX_EPOCH);
    let web = &snapshot.services[0];
    for record in &web.real_servers {
        record.live.lock().diagnosis = Some(Diagnosis::PathFiltered);
    }
    let status = ServiceStatus::of(web, |_| true);
    let [direct, masqueraded] = status.real_servers.as_slice() else {
        panic!("web has two real servers");
    };
    let names_vip = |server: &RealServerStatus| {
        let fix = server.fix.as_ref().unwrap();
        fix.contains("192.168.11.200:80")
    };
    assert!(names_vip(direct) && !names_vip(masqueraded), "{status:?}");
    assert_eq!(direct.forwarding, None);
    assert_eq!(masqueraded.forwarding.as_deref(), Some("masquerade"));
}

#[test]
fn tunnel_is_shown_of_the_service_and_of_a_real_server_with_another_one() {
    let mut config = fixture::config();
    let web = &mut config.virtual_services[0];
    let port = std::num::NonZeroU16::new(6080).unwrap();
    let checksum = Checksum::Remote;
    web.forwarding = Forwarding::Tunnel(Tunnel::Gue { port, checksum });
    web.real_servers[1].forwarding = Some(Forwarding::Tunnel(Tunnel::Ipip));
    let snapshot = Snapshot::director(&config, "".into(), std::time::UNIX_EPOCH);
    let status = ServiceStatus::of(&snapshot.services[0], |_| true);
    assert_eq!(
        status.forwarding_and_tunnel(),
        "tunnel gue port 6080 checksum remote"
    );
    let shown = status
        .servers()
        .map(RealServerStatus::address_and_forwarding);
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["192.168.11.21:80", "192.168.11.22:80, tunnel ipip"]
    );
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["tunnel"], "gue port 6080 checksum remote");
    assert_eq!(json["real_servers"][0].get("tunnel"), None);
    assert_eq!(json["real_servers"][1]["tunnel"], "ipip");
}

#[test]
fn the_status_of_a_real_server() {
    expect_file!["real_server.json"].assert_eq(&pretty(&fixture::real_server()));
}

#[test]
fn the_status_of_a_director_whose_vip_others_answer_for() {
    let status: serde_json::Value =
        serde_json::from_slice(&json(&fixture::with_arp_conflicts(), &Filter::default()).unwrap())
            .unwrap();
    let conflict = |mac: &str, real_servers: &[&str]| {
        serde_json::json!({
            "mac": mac, "real_servers": real_servers, "since": "2026-01-02T03:04:15.000Z"
        })
    };
    let vips = serde_json::json!([{
        "address": "192.168.11.200",
        "conflicts": [
            conflict("02:00:00:00:00:21", &["rs1"]),
            conflict("02:00:00:00:00:99", &[]),
        ],
    }]);
    assert_eq!(
        status["arp_audit"],
        serde_json::json!({"error": null, "vips": vips})
    );
    let rs1 = &status["virtual_services"][0]["real_servers"][0];
    assert_eq!(rs1["quiesced"], "arp_conflict");
}

#[test]
fn reading_loses_nothing() {
    let json = json(&fixture::director(), &Filter::default()).unwrap();
    let status: StatusResponse = serde_json::from_slice(&json).unwrap();
    assert_eq!(serde_json::to_vec(&status).unwrap(), json);
}

/// The names of the real servers and the subjects of the conditions.
fn names(snapshot: &Snapshot, query: &str) -> (String, String) {
    let filter = Filter::of_query(query).unwrap();
    let json = json(snapshot, &filter).unwrap();
    let status: StatusResponse = serde_json::from_slice(&json).unwrap();
    let services = status.virtual_services.unwrap();
    let servers = services.iter().flat_map(ServiceStatus::servers);
    let servers: Vec<_> = servers.map(|server| server.name.clone()).collect();
    let conditions = status.conditions.into_iter();
    let conditions: Vec<_> = conditions.map(|it| it.subject).collect();
    (servers.join(" "), conditions.join(" "))
}

#[test]
fn filters_by_service_by_target_and_by_problem() {
    let snapshot = fixture::director();
    snapshot.services[1].pool.lock().status.quorum_met = false;
    snapshot.frozen.lock().insert(FreezeReason::Clock);
    fixture::examine(&snapshot);
    for (query, servers, conditions) in [
        ("", "rs1 rs2 rs6 sorry_server", "clock marked web/rs2"),
        ("service=web", "rs1 rs2", "clock web/rs2"),
        ("problems", "rs2 rs6 sorry_server", "clock marked web/rs2"),
        ("service=web&problems", "rs2", "clock web/rs2"),
        ("target=web/*", "rs1 rs2", "clock web/rs2"),
        ("target=web/rs1", "rs1", "clock"),
        ("target=web/rs1&problems", "", "clock"),
        ("target=*/rs2", "rs2", "clock web/rs2"),
        ("target=*/rs6", "rs6", "clock marked"),
        ("target=192.168.11.200", "rs1 rs2", "clock web/rs2"),
        (
            "target=192.168.11.21&target=marked",
            "rs1 rs6 sorry_server",
            "clock marked",
        ),
        ("target=[2001:db8::21]:0", "rs6", "clock marked"),
        ("target=marked/sorry_server", "sorry_server", "clock marked"),
    ] {
        let expected = (servers.to_owned(), conditions.to_owned());
        assert_eq!(names(&snapshot, query), expected, "{query}");
    }
}

#[test]
fn query_of_a_filter_asks_for_that_filter() {
    for query in [
        "",
        "problems",
        "target=web%2Frs1&target=*%2Frs2&problems",
        "target=%5B2001%3Adb8%3A%3A21%5D%3A80",
    ] {
        assert_eq!(Filter::of_query(query).unwrap().query(), query);
    }
    let of_service = Filter::of_query("service=10.0.0.1").unwrap();
    assert_eq!(of_service.query(), "target=10.0.0.1%2F*");
    let too_many = vec!["target=web"; 257].join("&");
    for wrong in [
        "service",
        "target=a%20b",
        "problem",
        "problems=yes",
        &*too_many,
    ] {
        assert!(Filter::of_query(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn target_that_matches_nothing_is_told_with_what_was_meant() {
    let snapshot = fixture::director();
    snapshot.leaving.lock().push(LeavingRecord {
        service: "web".to_owned(),
        real_server: "rs3".to_owned(),
        service_key: snapshot.services[0].key,
        key: "192.168.11.23:80".parse().unwrap(),
        connections: Connections::default(),
        serves: false,
        deadline: fixture::start(),
    });
    let unknown = |query: &str| {
        let unknown = Filter::of_query(query).unwrap().unknown(&snapshot);
        unknown.map(|unknown| unknown.to_string())
    };
    for known in [
        "target=web/rs3",
        "target=192.168.11.23",
        "target=marked/sorry_server",
    ] {
        assert_eq!(unknown(known), None, "{known}");
    }
    for (query, expected) in [
        (
            "service=wbe",
            "no virtual service is called `wbe`, did you mean `web`?",
        ),
        (
            "target=web&target=web/rs12",
            "no real server is called `web/rs12`, did you mean `web/rs1`?",
        ),
        ("target=web/x", "no real server is called `web/x`"),
        (
            "target=192.168.11.201",
            "no virtual service and no real server has the address `192.168.11.201`, did you \
             mean `192.168.11.200`?",
        ),
    ] {
        assert_eq!(unknown(query).as_deref(), Some(expected), "{query}");
    }
}

#[test]
fn removals_in_progress_follow_the_filter() {
    let snapshot = fixture::director();
    snapshot.leaving.lock().push(LeavingRecord {
        service: "web".to_owned(),
        real_server: "rs3".to_owned(),
        service_key: snapshot.services[0].key,
        key: "192.168.11.23:80".parse().unwrap(),
        connections: Connections::default(),
        serves: false,
        deadline: fixture::start(),
    });
    let leaving = |query: &str| {
        let json = json(&snapshot, &Filter::of_query(query).unwrap()).unwrap();
        let status: StatusResponse = serde_json::from_slice(&json).unwrap();
        status.leaving.len()
    };
    assert_eq!(
        (leaving(""), leaving("service=web"), leaving("target=*/rs3")),
        (1, 1, 1)
    );
    assert_eq!(
        (leaving("service=marked"), leaving("target=web/rs1")),
        (0, 0)
    );
}

#[test]
fn totals_are_of_the_targets_and_count_what_problems_leave_out() {
    let snapshot = fixture::director();
    snapshot.services[0].real_servers[0].live.lock().admin = AdminState::Draining;
    let totals = |query: &str| {
        let json = json(&snapshot, &Filter::of_query(query).unwrap()).unwrap();
        let status: StatusResponse = serde_json::from_slice(&json).unwrap();
        status.totals.unwrap()
    };
    let all = Totals {
        virtual_services: 2,
        real_servers: 3,
        up: 1,
        down: 1,
        unknown: 1,
        draining: 1,
        drained: 0,
    };
    assert_eq!((totals(""), totals("problems")), (all, all));
    let rs2 = Totals {
        virtual_services: 1,
        real_servers: 1,
        down: 1,
        ..Totals::default()
    };
    assert_eq!(totals("target=*/rs2&problems"), rs2);
}

/// Its check has an interval of one second.
#[test]
fn unknown_is_a_problem_only_after_a_while() {
    let record = &fixture::director().services[1];
    let has_problem = |seconds| {
        let mut service = ServiceStatus::of(record, |_| true);
        let now = fixture::start() + Duration::from_secs(seconds);
        service.keep_problems(record.verdict_patience(), now)
    };
    assert!(!has_problem(10));
    assert!(has_problem(11));
}

/// A certificate that ends makes no real server one that is down.
#[test]
fn service_with_a_condition_is_a_problem_without_real_servers() {
    let snapshot = fixture::director();
    snapshot.services[0].real_servers[1].live.lock().health = Health::Up;
    snapshot.services[0].real_servers[1].live.lock().diagnosis = Some(Diagnosis::Ok);
    let services = |query: &str| {
        let json = json(&snapshot, &Filter::of_query(query).unwrap()).unwrap();
        let status: StatusResponse = serde_json::from_slice(&json).unwrap();
        status.virtual_services.unwrap()
    };
    assert_eq!(services("service=web&problems"), []);
    let end = clock::wall() + Duration::from_hours(1);
    snapshot.services[0].real_servers[0]
        .live
        .lock()
        .certificate_expiry = Some(Box::new(CertificateExpiry { at: end, port: 443 }));
    Examiner::default().step(&snapshot, clock::wall());
    let found = services("service=web&problems");
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].name.as_str(), found[0].real_servers.len()),
        ("web", 0)
    );
}

#[test]
fn real_servers_for_which_watch_is_of_no_use_are_named_with_the_reason_under_problems_as_well() {
    let snapshot = fixture::director();
    let web = &snapshot.services[0].real_servers;
    let watch = |index: usize, state: Watching| {
        let watching = Arc::<Shared<Watching>>::default();
        *watching.lock() = state;
        web[index].live.lock().watching = Some(watching);
    };
    let warnings = || {
        let filter = Filter::of_query("service=web&problems").unwrap();
        let json = json(&snapshot, &filter).unwrap();
        let status: StatusResponse = serde_json::from_slice(&json).unwrap();
        let warnings = status.virtual_services.unwrap()[0].warnings();
        let of_watch = warnings.into_iter().filter(|one| one.contains("`watch`"));
        of_watch.collect::<Vec<_>>()
    };
    watch(0, Watching::EndedByServer);
    watch(1, Watching::EndedByServer);
    let [ended] = warnings().try_into().unwrap();
    assert!(ended.contains("for rs1, rs2: the server ends"), "{ended}");
    watch(1, Watching::TooMuchSent);
    let [ended, sent] = warnings().try_into().unwrap();
    assert!(ended.contains("for rs1: the server ends"), "{ended}");
    assert!(
        sent.contains("for rs2: the server sends more than 64 KiB"),
        "{sent}"
    );
}

#[test]
fn agent_of_another_version_is_understood() {
    let status = r#"{"schema":1,"mode":"director","later":{"a":[1]},"virtual_services":[
        {"name":"web","real_servers":[{"name":"rs1","later":2}]}]}"#;
    let status: StatusResponse = serde_json::from_str(status).unwrap();
    assert_eq!(status.table, "kernel");
    let web = &status.virtual_services.as_ref().unwrap()[0];
    assert_eq!(web.warnings(), [""; 0]);
    assert_eq!(web.real_servers[0].admin.state, "enabled");
    assert_eq!(web.real_servers[0].name, "rs1");
}

#[test]
fn every_port_is_shown_as_it_is_configured() {
    for (address, shown) in [
        ("192.168.11.200:0", "192.168.11.200:*"),
        ("[2001:db8::200]:0", "[2001:db8::200]:*"),
        ("192.168.11.200:80", "192.168.11.200:80"),
        ("2001:db8::0", "2001:db8::0"),
    ] {
        assert_eq!(shown_address(address), shown);
    }
    let service = ServiceStatus {
        address: Some("192.168.11.200:0".to_owned()),
        protocol: Some("tcp".to_owned()),
        ..ServiceStatus::default()
    };
    assert_eq!(service.key(), "tcp 192.168.11.200:*");
}

#[test]
fn too_many_targets_are_refused_with_what_to_do() {
    let query = |number| vec!["target=web/rs1"; number].join("&");
    assert!(Filter::of_query(&query(256)).is_ok());
    assert_eq!(
        Filter::of_query(&query(257)).unwrap_err().to_string(),
        "a status of 257 targets is asked for, and 256 are the most: name fewer, a whole service \
         by `NAME/*`, or none for all"
    );
}
