use std::fs;

use super::*;
use crate::model::{FreezeReason, Persistence};
use crate::status::fixture;

#[test]
fn notes_hashing_scheduler_without_fallback() {
    let mut config = fixture::config();
    let service = &mut config.virtual_services[0];
    assert_eq!(weight_zero_notes(service, None), [""; 0]);
    service.scheduler = "sh".parse().unwrap();
    let reported = weight_zero_notes(service, None);
    assert_eq!(reported.len(), 1);
    assert!(reported[0].contains("web has scheduler sh"), "{reported:?}");
    service.flags = ServiceFlags::FALLBACK;
    assert_eq!(weight_zero_notes(service, None), [""; 0]);
    service.flags = ServiceFlags::default();
    let with_sorry_server = fixture::config().virtual_services.remove(1);
    service.pool = with_sorry_server.pool;
    assert_eq!(
        weight_zero_notes(service, None),
        [""; 0],
        "it brings the flag with it"
    );
}

#[test]
fn notes_persistence_that_lasts_longer_than_the_drain() {
    let mut config = fixture::config();
    let service = &mut config.virtual_services[0];
    let directory = tempfile::tempdir().unwrap();
    let sysctls = Sysctls::below(directory.path());
    let path = directory
        .path()
        .join("net/ipv4/vs/expire_quiescent_template");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "0\n").unwrap();
    assert_eq!(
        weight_zero_notes(service, Some(&sysctls)),
        [""; 0],
        "not persistent"
    );
    service.persistence = Some(Persistence {
        timeout_seconds: 300,
        netmask: u32::MAX,
        engine: None,
    });
    assert!(
        weight_zero_notes(service, Some(&sysctls))[0]
            .contains("expire_quiescent_template is 0: clients")
    );
    fs::write(&path, "1\n").unwrap();
    assert_eq!(weight_zero_notes(service, Some(&sysctls)), [""; 0]);
    fs::remove_file(&path).unwrap();
    assert!(weight_zero_notes(service, Some(&sysctls))[0].contains("is not there"));
    assert_eq!(
        weight_zero_notes(service, None),
        [""; 0],
        "no kernel, no clients"
    );
}

#[test]
fn answer_to_a_drain_says_what_becomes_of_a_service_without_a_serving_real_server() {
    let snapshot = fixture::director();
    let [web, marked] = snapshot.services.as_slice() else {
        panic!("there are two services");
    };
    let none_serves = "has no other real server that serves: ";
    assert_eq!(
        empty_pool_note(web, true),
        format!("note: web {none_serves}new connections are refused until one serves")
    );
    let fails = "new connections are refused until the sorry server or a real server passes its \
                 check";
    let frozen = "new connections are refused, as the sorry server does not take over while all \
                  weights are frozen";
    for (is_frozen, then) in [(false, fails), (true, frozen)] {
        let expected = format!("note: marked {none_serves}{then}");
        assert_eq!(empty_pool_note(marked, is_frozen), expected);
    }
    marked.pool.lock().status.sorry_serves = true;
    let expected = format!("note: marked {none_serves}the sorry server takes over");
    assert_eq!(empty_pool_note(marked, true), expected);
}

#[test]
fn answer_to_undrain_says_that_weights_are_frozen() {
    let snapshot = fixture::director();
    assert_eq!(freeze_notes(&snapshot), [""; 0]);
    snapshot.frozen.lock().insert(FreezeReason::Link);
    assert_eq!(
        freeze_notes(&snapshot),
        [
            "note: its weight stays as it is while all weights are frozen: the director's own link is down"
        ]
    );
}

#[test]
fn answer_to_a_weight_names_the_weight_and_why_it_is_not_in_effect_yet() {
    let snapshot = fixture::director();
    let web = &snapshot.services[0];
    let rs2 = &web.real_servers[1];
    let half = Some("50%".parse().unwrap());
    let lines =
        [half, Some("7".parse().unwrap()), None].map(|set| weight_line(set, rs2.configured));
    assert_eq!(
        lines,
        [
            "weight 1, 50% of the configured 2",
            "weight 7 in place of the configured 2",
            "weight 2, as configured"
        ]
    );
    let down = "note: web/rs2 is down, and has the weight when it is up";
    assert_eq!(weight_notes(&snapshot, (web, rs2), half), [down]);
    {
        let mut live = rs2.live.lock();
        live.health = Health::Up;
        live.admin = AdminState::Drained;
    }
    let drained = "note: web/rs2 is drained, and has the weight when it is undrained";
    assert_eq!(weight_notes(&snapshot, (web, rs2), half), [drained]);
    rs2.live.lock().admin = AdminState::Enabled;
    assert_eq!(weight_notes(&snapshot, (web, rs2), half), [""; 0]);
    for (advised, set, expected) in [
        (
            0,
            half,
            "reports weight 0, which stays in effect until it reports another one",
        ),
        (
            9,
            half,
            "reports weight 9, which is not in effect until `lvs-agent weight web/rs2 reset`",
        ),
        (9, None, "reports weight 9, which is in effect"),
    ] {
        rs2.live.lock().advised = Weight::new(advised);
        let expected = format!("note: the check of web/rs2 {expected}");
        assert_eq!(weight_notes(&snapshot, (web, rs2), set), [expected]);
    }
}

#[test]
fn undrain_notes_what_keeps_the_real_server_below_its_weight() {
    let snapshot = fixture::director();
    let web = &snapshot.services[0];
    let rs1 = &web.real_servers[0];
    rs1.live.lock().health = Health::Up;
    assert_eq!(undrain_notes(&snapshot, (web, rs1)), [""; 0]);
    {
        let mut live = rs1.live.lock();
        live.health = Health::Down;
        live.operator_weight = Some(Box::new(crate::model::OperatorWeight {
            set: "0%".parse().unwrap(),
            decision: crate::model::Decision::default(),
        }));
    }
    let configured = rs1.configured;
    assert_eq!(
        undrain_notes(&snapshot, (web, rs1)),
        [
            "note: web/rs1 is down, and serves when it is up".to_owned(),
            format!(
                "note: web/rs1 has weight 0, 0% of the configured {configured}, until \
                 `lvs-agent weight web/rs1 reset`"
            ),
        ]
    );
}
