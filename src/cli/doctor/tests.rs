use expect_test::expect;

use super::*;

#[test]
fn of_many_findings_that_say_the_same_the_first_stands_for_all() {
    let finding = |n: usize| Finding {
        check: "real_server",
        subject: format!("web/rs{n}"),
        verdict: FindingSeverity::Problem,
        message: "no route".to_owned(),
        fix: Some(format!("ping 192.168.11.{n}")),
    };
    let text = |number| {
        let findings: Vec<_> = (1..=number).map(finding).collect();
        let mut out = Vec::new();
        render(&findings, |_| true, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    expect![[r"
        problem  real_server   web/rs1 and 399 more: no route
                               fix: ping 192.168.11.1
        400 problems, 0 warnings, 0 ok
    "]]
    .assert_eq(&text(400));
    assert_eq!(text(8).matches("no route").count(), 8);
}

#[test]
fn for_people_and_for_programs() {
    let findings = [
        Finding {
            check: "vip",
            subject: "192.168.11.200".to_owned(),
            verdict: FindingSeverity::Ok,
            message: "it is on eth0".to_owned(),
            fix: None,
        },
        Finding {
            check: "real_server",
            subject: "web/rs2".to_owned(),
            verdict: FindingSeverity::Problem,
            message: "connection refused".to_owned(),
            fix: Some("ping 192.168.11.22".to_owned()),
        },
    ];
    let text = |is_shown: fn(&Finding) -> bool| {
        let mut out = Vec::new();
        render(&findings, is_shown, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    expect![[r"
        problem  real_server   web/rs2: connection refused
                               fix: ping 192.168.11.22
        1 problem, 0 warnings, 1 ok
    "]]
    .assert_eq(&text(|finding| finding.verdict != FindingSeverity::Ok));
    expect![[r"
        ok       vip           192.168.11.200: it is on eth0
        problem  real_server   web/rs2: connection refused
                               fix: ping 192.168.11.22
        1 problem, 0 warnings, 1 ok
    "]]
    .assert_eq(&text(|_| true));
    let json = serde_json::to_string(&findings.each_ref().map(response)).unwrap();
    expect![[r#"[{"check":"vip","subject":"192.168.11.200","verdict":"ok","message":"it is on eth0","fix":null},{"check":"real_server","subject":"web/rs2","verdict":"problem","message":"connection refused","fix":"ping 192.168.11.22"}]"#]]
    .assert_eq(&json);
}
