use crate::config::ProbeMark;
use crate::doctor::fixture::{
    agent_with_unsaved_state, config_through_vip, facts, lines, mark_rule, running_agent,
};
use crate::doctor::{RunningAgent, agent, table};
use crate::model::Role;

use super::*;

const NO_RULE: &str = "ok mark director.probe_mark: no rule of routing looks at the marks of \
                       probes through VIPs";

/// A director whose table has the service, and the services by mark that its
/// probes need: 8192 is the canary, 8193 rs1 and 8194 rs2.
fn well() -> Facts {
    let mut facts = facts(Role::Director);
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &BTreeSet::new());
    let by_mark = marks.services();
    let keys = by_mark.keys().copied();
    let keys: BTreeSet<_> = keys
        .chain(["tcp 192.168.11.200:80".parse().unwrap()])
        .collect();
    facts.owned.clone_from(&keys);
    facts.table = Some(Ok(keys));
    facts.agent = running_agent();
    facts.vip_probes = Some(VipProbeFacts {
        sources: BTreeSet::new(),
        by_mark,
        passes_everything: Ok(false),
    });
    facts
}

fn mark(number: u32) -> ServiceKey {
    format!("fwmark {number} ipv4").parse().unwrap()
}

fn by_mark(facts: &mut Facts) -> &mut BTreeMap<ServiceKey, ServiceState> {
    &mut facts.vip_probes.as_mut().unwrap().by_mark
}

/// Those about the marks, and those about the table.
fn findings(facts: &Facts) -> (Vec<String>, Vec<String>) {
    let config = config_through_vip();
    (
        lines(&examine(&config, facts)),
        lines(&table::examine(&config, facts)),
    )
}

#[test]
fn all_is_there() {
    let (marks, table) = findings(&well());
    let all = "ok mark director.probe_mark: all 3 services by mark are in the table";
    assert_eq!(marks, [all, NO_RULE]);
    assert_eq!(table, ["ok table IPVS: it holds 1 of 1 virtual services"]);
}

#[test]
fn marks_that_are_missing_or_lead_elsewhere_are_problems() {
    let mut facts = well();
    by_mark(&mut facts).remove(&mark(8192));
    by_mark(&mut facts).remove(&mark(8194));
    let rs2 = "problem mark fwmark 8194 ipv4: it is not in the table: 192.168.11.22 cannot be \
               asked through its VIPs | lvs-agent reload";
    let (marks, _) = findings(&facts);
    assert_eq!(
        marks,
        [
            "problem mark fwmark 8192 ipv4: it is not in the table: no probe through a VIP is \
             verified without its canary | lvs-agent reload",
            rs2,
            NO_RULE
        ]
    );

    let mut facts = well();
    let states = by_mark(&mut facts);
    let rs1 = states[&mark(8193)].destinations.clone();
    states
        .get_mut(&mark(8194))
        .unwrap()
        .destinations
        .extend(rs1);
    assert_eq!(
        findings(&facts).0[0],
        rs2.replace("it is not in the table", "it does not lead where it should")
    );

    by_mark(&mut facts).clear();
    facts.agent = RunningAgent::None("nobody listens".to_owned());
    assert_eq!(
        findings(&facts).0,
        [
            "problem mark director.probe_mark: the table has none of the 3 services by mark that \
             probes through VIPs need | systemctl start lvs-agent-director",
            NO_RULE
        ]
    );
    facts.table = None;
    assert_eq!(findings(&facts).0, [NO_RULE], "without IPVS that is told");
}

fn left_alone(number: u32) -> String {
    format!(
        "warning mark fwmark {number} ipv4: it is by a mark that probes through VIPs may carry, \
         and the agent does not remember to have made it: it is left alone, and probes take other \
         marks | another `director.probe_mark`; or, if nobody needs it: ipvsadm -D -f {number}"
    )
}

#[test]
fn services_of_others_in_the_range() {
    let mut facts = well();
    let state = by_mark(&mut facts)[&mark(8193)].clone();
    for (number, owned) in [(8200, false), (8201, true)] {
        by_mark(&mut facts).insert(mark(number), state.clone());
        if let Some(Ok(table)) = &mut facts.table {
            table.insert(mark(number));
        }
        if owned {
            facts.owned.insert(mark(number));
        }
    }
    let (marks, table) = findings(&facts);
    assert_eq!(marks, [left_alone(8200), NO_RULE.to_owned()]);
    // The other is the agent's own from before.
    assert_eq!(
        table[1..],
        [
            "warning table fwmark 8201 ipv4: the agent has made it, and it is no longer \
             configured | lvs-agent reload"
        ]
    );
}

#[test]
fn marks_that_run_out() {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x2000, 1).unwrap();
    let mut facts = well();
    by_mark(&mut facts).remove(&mark(8194));
    let foreign = by_mark(&mut facts)[&mark(8193)].clone();
    facts.owned.remove(&mark(8193));
    let shortage = "is left for 2 of 2 ways to real servers (ipv4 to 192.168.11.21 by direct, \
                    and 1 more): probes through VIPs over them stay unverified | give `mask` of \
                    `director.probe_mark` more bits, or remove what others have by its marks and \
                    nobody needs: ipvsadm -D -f 8193";
    let found = lines(&examine(&config, &facts));
    assert!(
        found[0].starts_with("warning mark fwmark 8193 ipv4"),
        "{found:?}"
    );
    let problem = "problem mark director.probe_mark: no mark of `director.probe_mark`";
    assert_eq!(found[1], format!("{problem} {shortage}"));

    config.director.probe_mark = ProbeMark::new(0x2000, 3).unwrap();
    by_mark(&mut facts).insert(mark(8194), foreign);
    let found = lines(&examine(&config, &facts));
    assert_eq!(
        found[0],
        "problem mark fwmark 8195 ipv4: it is not in the table: 192.168.11.22 cannot be asked \
         through its VIPs | lvs-agent reload"
    );
}

/// As after the loss of what the agent remembers.
#[test]
fn without_stored_marks_each_service_by_mark_is_a_finding() {
    let mut facts = well();
    facts.owned.clear();
    let found = findings(&facts).0;
    assert!(found[0].starts_with("problem mark director.probe_mark: the table has none of the 3"));
    for (line, mark) in found[1..4].iter().zip(8192..) {
        assert!(
            line.ends_with(&format!("ipvsadm -D -f {mark}")),
            "{found:?}"
        );
    }
}

/// The running agent has made all of them, and knows it; its file does not.
#[test]
fn a_state_file_that_cannot_be_written_is_the_one_problem() {
    let config = config_through_vip();
    let mut full = well();
    full.agent = agent_with_unsaved_state();
    full.owned.clear();
    let mut partly = well();
    partly.agent = agent_with_unsaved_state();
    partly.owned.remove(&mark(8193));
    let mut elsewhere = well();
    elsewhere.agent = agent_with_unsaved_state();
    elsewhere.owned.clear();
    let number = mark(8205);
    let states = by_mark(&mut elsewhere);
    let moved = states.remove(&mark(8194)).unwrap();
    states.insert(number, moved);
    let Some(Ok(keys)) = &mut elsewhere.table else {
        panic!("it is read");
    };
    keys.remove(&mark(8194));
    keys.insert(number);
    for facts in [&mut full, &mut partly, &mut elsewhere] {
        let (marks, table) = findings(facts);
        assert_eq!(marks, [NO_RULE]);
        assert_eq!(table, ["ok table IPVS: it holds 1 of 1 virtual services"]);
        let reported = lines(&agent::examine(&config, facts));
        assert_eq!(
            reported[1],
            "problem condition ownership_not_saved /var/lib/lvs-agent/director.json: the disk is \
             full | df -h /var/lib/lvs-agent"
        );
        // The marks that the services in the table have are looked for.
        facts.rules = vec![mark_rule(Family::Ipv4, 8193, u32::MAX)];
        assert!(findings(facts).0[0].contains("as with the mark 8193"));
    }
    elsewhere.agent = running_agent();
    assert!(findings(&elsewhere).0.len() > 2, "it remembers again");
}

/// That the range is too small is true whoever has made what is there.
#[test]
fn marks_that_run_out_are_told_whatever_is_remembered() {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x2000, 1).unwrap();
    let mut facts = well();
    facts.agent = agent_with_unsaved_state();
    facts.owned.clear();
    by_mark(&mut facts).remove(&mark(8194));
    let found = lines(&examine(&config, &facts));
    assert!(found[0].contains("is left for 1 of 2 ways"), "{found:?}");
    assert!(found[0].ends_with("more bits"), "{found:?}");
}

#[test]
fn rules_that_take_packets_of_probes() {
    for (rule, first) in [
        (mark_rule(Family::Ipv4, 8193, u32::MAX), Some(8193)),
        (mark_rule(Family::Ipv4, 0x2000, 0x2000), Some(8192)),
        (mark_rule(Family::Ipv6, 8193, u32::MAX), None),
        (mark_rule(Family::Ipv4, 9, u32::MAX), None),
    ] {
        let mut facts = well();
        facts.rules = vec![rule];
        let expected = first.map_or(NO_RULE.to_owned(), |first| {
            format!(
                "warning mark director.probe_mark: the rule of routing 77 sends packets of probes \
                 through VIPs, as with the mark {first}, to table 100: IPVS sees them only if \
                 that makes them local | ip -4 route show table 100; ip -4 rule del priority 77"
            )
        });
        assert_eq!(findings(&facts).0[1..], [expected], "{first:?}");
    }
}

/// As they would be after a service of somebody else's took the first mark.
#[test]
fn others_may_have_the_first_marks() {
    let mut facts = well();
    let foreign = [8192, 8194].map(mark).into();
    let marks = Marks::assign(&config_through_vip(), &Marks::default(), &foreign);
    facts.owned = marks.services().into_keys().collect();
    let mut services = marks.services();
    let mut other = services[&mark(8193)].clone();
    other.service.scheduler = "wlc".parse().unwrap();
    for number in [8192, 8194] {
        services.insert(mark(number), other.clone());
    }
    *by_mark(&mut facts) = services;
    let expected = [left_alone(8192), left_alone(8194), NO_RULE.to_owned()];
    assert_eq!(findings(&facts).0, expected);
}

/// Those of the agent's own make decide which mark a path has, whatever another
/// start would give it.
#[test]
fn paths_keep_the_marks_that_they_have() {
    let mut facts = well();
    let before = by_mark(&mut facts).clone();
    for (number, other) in [(8193, 8194), (8194, 8193)] {
        by_mark(&mut facts).insert(mark(number), before[&mark(other)].clone());
    }
    let all = "ok mark director.probe_mark: all 3 services by mark are in the table";
    assert_eq!(findings(&facts).0, [all, NO_RULE]);
}
