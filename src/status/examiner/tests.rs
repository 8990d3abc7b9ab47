use super::*;
use crate::model::{Decision, FreezeReason, OperatorWeight};
use crate::status::fixture;

const DAY: Duration = Duration::from_hours(24);

fn examined(snapshot: &Snapshot) -> Vec<(ConditionType, String, Severity)> {
    Examiner::default().step(snapshot, fixture::start() + Duration::from_mins(2));
    let list = snapshot.conditions.list().into_iter();
    list.map(|it| (it.kind, it.subject, it.severity)).collect()
}

fn subjects(snapshot: &Snapshot) -> Vec<String> {
    let examined = examined(snapshot).into_iter();
    examined
        .map(|(kind, subject, _)| format!("{kind} {subject}"))
        .collect()
}

#[test]
fn real_server_that_is_down_has_its_cause_and_fix() {
    let snapshot = fixture::director();
    assert_eq!(subjects(&snapshot), ["real_server_down web/rs2"]);
    let down = &snapshot.conditions.list()[0];
    assert_eq!(down.message, "application_down: connection refused");
    assert!(
        down.fix.starts_with("on 192.168.11.22, see whether"),
        "{}",
        down.fix
    );
    assert_eq!(down.since, fixture::start() + Duration::from_secs(30));

    snapshot.services[0].real_servers[1].live.lock().health = Health::Up;
    assert_eq!(subjects(&snapshot), [""; 0]);
}

#[test]
fn real_server_that_is_down_stays_so_while_weights_are_frozen() {
    let snapshot = fixture::director();
    assert_eq!(subjects(&snapshot), ["real_server_down web/rs2"]);
    let before = snapshot.conditions.list();
    snapshot.frozen.lock().insert(FreezeReason::Link);
    let probed = |detail: &str| {
        let mut live = snapshot.services[0].real_servers[1].live.lock();
        live.last_probe.as_mut().unwrap().detail = detail.to_owned();
    };
    probed("no answer");
    assert_eq!(
        subjects(&snapshot),
        ["weights_frozen link", "real_server_down web/rs2"]
    );
    let frozen = snapshot.conditions.list();
    assert_eq!(frozen[1..], before, "probes of this time show no cause");
    assert_eq!(
        frozen[0].message,
        "all weights are frozen: the director's own link is down"
    );
    snapshot.frozen.lock().clear();
    assert_eq!(subjects(&snapshot), ["real_server_down web/rs2"]);
    let thawed = snapshot.conditions.list();
    assert_eq!(thawed[0].since, before[0].since);
    assert_eq!(thawed[0].message, "application_down: no answer");
    snapshot.frozen.lock().insert(FreezeReason::Clock);
    probed("connection reset");
    assert_eq!(
        subjects(&snapshot),
        ["weights_frozen clock", "real_server_down web/rs2"]
    );
    let with_wrong_clock = snapshot.conditions.list();
    assert_eq!(
        with_wrong_clock[1].message, "application_down: connection reset",
        "the clock freezes not all weights"
    );
}

#[test]
fn pools_and_arp_conflicts_are_conditions() {
    let snapshot = fixture::with_arp_conflicts();
    snapshot.services[0].real_servers[1].live.lock().health = Health::Up;
    snapshot.services[0].pool.lock().status.fail_open = true;
    {
        let status = &mut snapshot.services[1].pool.lock().status;
        status.quorum_met = false;
        status.sorry_serves = true;
    }
    snapshot.arp.lock().error = Some("it needs CAP_NET_RAW".to_owned());
    assert_eq!(
        subjects(&snapshot),
        [
            "arp_conflict 192.168.11.200 02:00:00:00:00:21",
            "arp_conflict 192.168.11.200 02:00:00:00:00:99",
            "quorum_lost marked",
            "sorry_server_active marked",
            "fail_open web",
            "arp_audit_failed director.link",
        ]
    );
}

#[test]
fn fix_of_a_lost_quorum_names_the_drains_and_weights_that_cause_it() {
    let snapshot = fixture::director();
    let service = &snapshot.services[0];
    service.pool.lock().status.quorum_met = false;
    let fix = || {
        examined(&snapshot);
        let lost = snapshot.conditions.get(ConditionType::QuorumLost, "web");
        lost.unwrap().fix
    };
    let to_health = "return real servers of the service to health: `lvs-agent status` says what is \
                     wrong with each";
    assert_eq!(fix(), to_health);
    service.real_servers[1].live.lock().admin = AdminState::Drained;
    assert_eq!(fix(), to_health, "it is down as well");
    service.real_servers[0].live.lock().admin = AdminState::Draining;
    let drained = "return to service what operators have taken out: `lvs-agent undrain web/rs1`";
    assert_eq!(fix(), format!("{drained}; or {to_health}"));
    service.real_servers[1].live.lock().health = Health::Up;
    assert_eq!(fix(), format!("{drained}, `lvs-agent undrain web/rs2`"));
    {
        let mut live = service.real_servers[1].live.lock();
        live.admin = AdminState::Enabled;
        live.operator_weight = Some(Box::new(OperatorWeight {
            set: "0%".parse().unwrap(),
            decision: Decision::default(),
        }));
    }
    assert_eq!(
        fix(),
        format!("{drained}, `lvs-agent weight web/rs2 reset`")
    );
    // A share may be too little as well; more than is configured is not.
    for (weight, is_named) in [("50%", true), ("100%", false), ("65535", false)] {
        let set = weight.parse().unwrap();
        service.real_servers[1].live.lock().operator_weight = Some(Box::new(OperatorWeight {
            set,
            decision: Decision::default(),
        }));
        let is_less = set.in_place_of(service.real_servers[1].configured)
            < service.real_servers[1].configured;
        assert_eq!(is_less, is_named, "{weight}");
        assert_eq!(fix().contains("weight web/rs2 reset"), is_named, "{weight}");
    }
}

#[test]
fn certificate_is_a_warning_two_weeks_before_its_end_and_a_problem_three_days_before() {
    let snapshot = fixture::director();
    snapshot.services[0].real_servers[1].live.lock().health = Health::Up;
    let now = fixture::start() + Duration::from_mins(2);
    for (left, severity) in [
        (15 * DAY, None),
        (14 * DAY, Some(Severity::Warning)),
        (4 * DAY, Some(Severity::Warning)),
        (3 * DAY, Some(Severity::Problem)),
        (Duration::ZERO, Some(Severity::Problem)),
    ] {
        let record = &snapshot.services[0].real_servers[0];
        record.live.lock().certificate_expiry = Some(Box::new(CertificateExpiry {
            at: now + left,
            port: 28443,
        }));
        let found = examined(&snapshot);
        let expected =
            severity.map(|it| (ConditionType::CertificateEnding, "web/rs1".to_owned(), it));
        assert_eq!(found.first(), expected.as_ref(), "{left:?}");
        let conditions = snapshot.conditions.list();
        let ending = conditions
            .iter()
            .find(|one| one.kind == ConditionType::CertificateEnding);
        // The check may ask another port than the one that clients reach.
        let fix = format!(
            "renew the certificate on {}, and reload its server",
            SocketAddr::new(record.key.0.ip(), 28443)
        );
        assert_eq!(ending.is_some(), severity.is_some());
        assert!(ending.is_none_or(|ending| ending.fix == fix), "{ending:?}");
    }
}

#[test]
fn drain_past_its_deadline_is_overdue_until_it_has_ended() {
    let snapshot = fixture::director();
    snapshot.services[0].real_servers[1].live.lock().health = Health::Up;
    let record = &snapshot.services[0].real_servers[0];
    let overdue = fixture::start() + Duration::from_secs(119);
    {
        let mut live = record.live.lock();
        live.admin = AdminState::Draining;
        live.drain_deadline = Some(overdue + Duration::from_secs(10));
    }
    assert_eq!(subjects(&snapshot), [""; 0]);
    record.live.lock().drain_deadline = Some(overdue);
    assert_eq!(subjects(&snapshot), [""; 0], "nothing is left");
    record.live.lock().connections.active = 1;
    assert_eq!(subjects(&snapshot), ["drain_overdue web/rs1"]);
    record.live.lock().admin = AdminState::Drained;
    assert_eq!(subjects(&snapshot), [""; 0]);
}

#[test]
fn step_examines_a_bounded_number_of_real_servers() {
    let mut config = fixture::config();
    let service = config.virtual_services[0].clone();
    config.virtual_services = vec![service; 2000];
    let snapshot = Snapshot::director(&config, "c".into(), fixture::start());
    for service in &snapshot.services {
        service.real_servers[0].live.lock().health = Health::Down;
    }
    let mut examiner = Examiner::default();
    examiner.step(&snapshot, fixture::start());
    assert!(
        examiner.next > 0 && examiner.next < 700,
        "{}",
        examiner.next
    );
    assert_eq!(snapshot.conditions.list(), []);
    for _ in 0..3 {
        examiner.step(&snapshot, fixture::start());
    }
    assert_eq!(
        snapshot.conditions.list().len(),
        1,
        "the same name 2000 times"
    );
}
