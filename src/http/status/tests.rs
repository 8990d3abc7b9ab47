use expect_test::expect_file;

use super::*;
use crate::model::ServiceFlags;
use crate::status::fixture;

fn pretty(snapshot: &Snapshot) -> String {
    let status: StatusResponse = serde_json::from_slice(&json(snapshot).unwrap()).unwrap();
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
        serde_json::from_slice(&json(&fixture::with_arp_conflicts()).unwrap()).unwrap();
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
    let json = json(&fixture::director()).unwrap();
    let status: StatusResponse = serde_json::from_slice(&json).unwrap();
    assert_eq!(serde_json::to_vec(&status).unwrap(), json);
}
