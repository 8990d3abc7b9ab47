use super::*;
use crate::model::{AdminState, Condition, ConditionType, Health, Severity};
use crate::status::fixture;

fn condition(kind: ConditionType, severity: Severity) -> Condition {
    Condition {
        kind,
        subject: "subject".to_owned(),
        severity,
        message: "message".to_owned(),
        fix: "fix".to_owned(),
        since: fixture::start(),
    }
}

#[test]
fn line_of_a_director_counts_real_servers_and_conditions() {
    let mut snapshot = fixture::director();
    let before = line(&snapshot);
    snapshot.services[0].real_servers[0].live.lock().health = Health::Down;
    snapshot.services[0].real_servers[1].live.lock().admin = AdminState::Drained;
    snapshot
        .conditions
        .raise(condition(ConditionType::ReloadFailed, Severity::Problem));
    snapshot
        .conditions
        .raise(condition(ConditionType::VipMissing, Severity::Warning));
    let after = line(&snapshot);
    snapshot.process.dry_run = true;
    snapshot.process.table_in_kernel = false;
    let in_dry_run = line(&snapshot);
    let services = "2 virtual services, 3 real servers:";
    let drained = "2 down, 1 unknown, 1 drained or draining; 1 problem, 1 warning";
    assert_eq!(
        [before, after, in_dry_run],
        [
            format!("{services} 1 up, 1 down, 1 unknown; no problems"),
            format!("{services} {drained}"),
            format!("{services} {drained}; dry run; table in memory"),
        ]
    );
}

#[test]
fn line_of_a_real_server_counts_its_vips() {
    let snapshot = fixture::real_server();
    let lines = [false, true].map(|is_configured| {
        for configured in snapshot.vips.lock().values_mut() {
            *configured = is_configured;
        }
        line(&snapshot)
    });
    assert_eq!(
        lines,
        [
            "0 of 1 VIP configured; no problems",
            "1 of 1 VIP configured; no problems"
        ]
    );
}
