use super::*;
use crate::config::{Check, ExecCheck};
use crate::probe::probe_targets;
use crate::status::fixture;

#[test]
fn names_each_capability_that_is_needed_and_missing() {
    let config = fixture::config();
    let subjects = |capabilities, in_kernel| -> Vec<_> {
        let found = missing(&config, Role::Director, in_kernel, capabilities);
        found
            .into_iter()
            .map(|condition| condition.subject)
            .collect()
    };
    assert_eq!(subjects(CapabilitySet::empty(), true), ["CAP_NET_ADMIN"]);
    assert_eq!(subjects(CapabilitySet::NET_ADMIN, true), [""; 0]);
    assert_eq!(subjects(CapabilitySet::empty(), false), [""; 0]);
}

#[test]
fn director_that_runs_programs_by_user_needs_to_become_that_user() {
    let mut config = fixture::config();
    let program = |user: Option<&str>| {
        CheckKind::Exec(ExecCheck {
            command: vec!["/bin/true".to_owned()],
            user: user.map(str::to_owned),
            advice: false,
        })
    };
    let mut subjects = |kind, role| -> Vec<_> {
        config.virtual_services[0].check = Arc::new(fixture::check(kind));
        let found = missing(&config, role, false, CapabilitySet::empty());
        found
            .into_iter()
            .map(|condition| condition.subject)
            .collect()
    };
    let both = ["CAP_SETUID", "CAP_SETGID"];
    let by_user = program(Some("nobody"));
    assert_eq!(subjects(by_user.clone(), Role::Director), both);
    let part = CheckKind::All([by_user.clone()].into());
    assert_eq!(subjects(part, Role::Director), both);
    assert_eq!(subjects(by_user, Role::RealServer), [""; 0]);
    assert_eq!(subjects(program(None), Role::Director), [""; 0]);
}

#[test]
fn limit_of_open_files_has_to_do_for_all_probes_and_watched_connections() {
    let mut config = fixture::config();
    let found = |config: &Config, limit| {
        let found = short_of_descriptors(&probe_targets(config), limit);
        found.map(|condition| condition.message)
    };
    let probes = probe_targets(&config).len() as u64;
    assert_eq!(found(&config, Some(OTHER_FILES + probes)), None);
    assert_eq!(found(&config, None), None);
    for service in &mut config.virtual_services {
        service.check = Arc::new(Check {
            watch: true,
            ..Check::clone(&service.check)
        });
    }
    let limit = OTHER_FILES + probes;
    let message = found(&config, Some(limit)).expect("a condition");
    assert!(
        message.contains("watched connections need up to"),
        "{message}"
    );
    let watched = watched_connections(&probe_targets(&config)) as u64;
    assert!(watched > 0);
    assert_eq!(found(&config, Some(limit + watched)), None);
}
