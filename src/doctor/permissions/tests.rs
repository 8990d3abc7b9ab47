use std::sync::Arc;

use crate::config::ExecCheck;
use crate::doctor::fixture::{config, facts, lines};
use crate::status::fixture;

use super::*;

fn verdicts(kind: CheckKind, permissions: Permissions) -> Vec<String> {
    let mut config = config();
    config.virtual_services[0].check = Arc::new(fixture::check(kind));
    let mut facts = facts(Role::Director);
    facts.permissions = permissions;
    let lines = lines(&examine(&config, &facts));
    let head = |line: String| line.split(':').next().unwrap().to_owned();
    lines.into_iter().map(head).collect()
}

#[test]
fn capabilities_that_checks_need_are_examined() {
    let permissions = |capabilities: &[Capability], ping_group| Permissions {
        effective: capabilities.iter().map(|bit| 1 << *bit as u64).sum(),
        ping_group,
    };
    let http = CheckKind::Http(fixture::http_check());
    let none = permissions(&[], false);
    let admin = permissions(&[Capability::NetAdmin], false);
    assert_eq!(
        verdicts(http.clone(), none),
        ["problem permission CAP_NET_ADMIN"]
    );
    assert_eq!(verdicts(http, admin), ["ok permission CAP_NET_ADMIN"]);
    let ping = || CheckKind::All(vec![CheckKind::Ping]);
    for (permissions, verdict) in [
        (admin, "problem"),
        (
            permissions(&[Capability::NetAdmin, Capability::NetRaw], false),
            "ok",
        ),
        (permissions(&[Capability::NetAdmin], true), "ok"),
    ] {
        let expected = format!("{verdict} permission ping");
        assert_eq!(verdicts(ping(), permissions)[1], expected);
    }
    let exec = |user: Option<&str>| {
        CheckKind::Exec(ExecCheck {
            command: vec!["/bin/true".to_owned()],
            user: user.map(str::to_owned),
            advice: false,
        })
    };
    assert_eq!(verdicts(exec(None), admin).len(), 1);
    assert_eq!(
        verdicts(exec(Some("nobody")), admin)[1],
        "problem permission CAP_SETUID, CAP_SETGID"
    );
    let all = permissions(
        &[Capability::NetAdmin, Capability::Setuid, Capability::Setgid],
        false,
    );
    assert_eq!(
        verdicts(exec(Some("nobody")), all)[1],
        "ok permission CAP_SETUID, CAP_SETGID"
    );
}
