use expect_test::expect_file;

use super::*;
use crate::model::{ServiceFlags, Weight};
use crate::status::fixture;

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
        ServiceStatus::of(&snapshot.services[0]).warnings()
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

#[test]
fn filters_by_service_and_by_problem() {
    let snapshot = fixture::director();
    snapshot.services[1].pool.lock().standing.quorum_met = false;
    fixture::examine(&snapshot);
    let names = |filter: &Filter| {
        let json = json(&snapshot, filter).unwrap();
        let status: StatusResponse = serde_json::from_slice(&json).unwrap();
        let services = status.virtual_services.unwrap();
        let servers = services.iter().flat_map(ServiceStatus::servers);
        let servers: Vec<_> = servers.map(|server| server.name.clone()).collect();
        let conditions = status.conditions.into_iter();
        let conditions: Vec<_> = conditions.map(|it| it.subject).collect();
        (servers.join(" "), conditions.join(" "))
    };
    let filter = |service: Option<&str>, problems| Filter {
        service: service.map(str::to_owned),
        problems,
    };
    let (all, of_all) = ("rs1 rs2 rs6 sorry_server", "marked web/rs2");
    let expected = |servers: &str, conditions: &str| (servers.to_owned(), conditions.to_owned());
    assert_eq!(names(&Filter::default()), expected(all, of_all));
    assert_eq!(
        names(&filter(Some("web"), false)),
        expected("rs1 rs2", "web/rs2")
    );
    assert_eq!(
        names(&filter(None, true)),
        expected("rs2 rs6 sorry_server", of_all)
    );
    assert_eq!(
        names(&filter(Some("web"), true)),
        expected("rs2", "web/rs2")
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
