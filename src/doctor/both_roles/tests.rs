use super::super::fixture::{VIP, address, config, facts, held};
use super::super::{FindingSeverity, examine as examine_all};
use super::*;

fn on_real_server() -> Facts {
    let mut facts = facts(Role::Director);
    facts.host.addresses.push(held("eth0", "192.168.11.21", 24));
    facts.host.addresses.push(held("lo", VIP, 32));
    facts
}

#[test]
fn director_that_is_no_real_server_has_no_loop() {
    assert_eq!(examine(&config(), &facts(Role::Director)), None);
}

#[test]
fn loop_of_two_hosts_is_named_with_what_prevents_it() {
    let mut facts = on_real_server();
    let found = examine(&config(), &facts).unwrap();
    assert_eq!(found.verdict, FindingSeverity::Warning);
    let fix = found.fix.unwrap();
    assert!(
        fix.contains("net.ipv4.vs.backup_only=1") && fix.contains("fwmark"),
        "{fix}"
    );

    facts
        .sysctls
        .insert(BACKUP_ONLY.parse().unwrap(), "1".to_owned());
    let found = examine(&config(), &facts).unwrap();
    assert_eq!(found.verdict, FindingSeverity::Warning);
    assert!(found.message.contains("no effect"), "{}", found.message);

    facts.runs_sync_daemon = true;
    let found = examine(&config(), &facts).unwrap();
    assert_eq!(found.verdict, FindingSeverity::Ok);
    let all = examine_all(&config(), &facts);
    let advice: Vec<_> = all.into_iter().filter_map(|finding| finding.fix).collect();
    assert!(
        !advice.iter().any(|fix| fix.contains("backup_only=0")),
        "{advice:?}"
    );
}

#[test]
fn vip_of_real_server_on_lo_of_director_is_right() {
    let facts = on_real_server();
    let findings = super::super::addresses::examine(&config(), &facts);
    let of_vip: Vec<_> = findings.iter().filter(|f| f.subject == VIP).collect();
    assert!(
        of_vip.iter().all(|f| f.verdict == FindingSeverity::Ok),
        "{of_vip:?}"
    );
    assert!(
        of_vip.iter().any(|f| f.message.contains("lo")),
        "{of_vip:?}"
    );
}

#[test]
fn only_real_server_or_masquerading_makes_no_loop() {
    let facts = on_real_server();
    let mut alone = config();
    alone.virtual_services[0]
        .real_servers
        .retain(|one| one.key.0.ip() == address("192.168.11.21"));
    assert_eq!(examine(&alone, &facts), None);
    let mut masquerade = config();
    masquerade.virtual_services[0].forwarding = Forwarding::Masquerade;
    assert_eq!(examine(&masquerade, &facts), None);
    let mut own = config();
    for real_server in &mut own.virtual_services[0].real_servers {
        let is_this_host = real_server.key.0.ip() == address("192.168.11.21");
        real_server.forwarding = is_this_host.then_some(Forwarding::Masquerade);
    }
    assert_eq!(examine(&own, &facts), None);
}
