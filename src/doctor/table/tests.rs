use crate::doctor::fixture::{config, facts, lines};
use crate::snapshot::Mode;

use super::*;

#[test]
fn what_is_ours_foreign_old_and_missing() {
    let mut facts = facts(Mode::Director);
    let keys = |keys: &[&str]| keys.iter().map(|key| key.parse().unwrap()).collect();
    assert_eq!(examine(&config(), &facts), []);
    facts.table = Some(Ok(keys(&["tcp 192.168.11.200:80"])));
    assert_eq!(
        lines(&examine(&config(), &facts)),
        ["ok table IPVS: it holds 1 of 1 virtual services"]
    );
    facts.table = Some(Ok(keys(&[
        "udp 192.168.11.9:53",
        "fwmark 7 ipv6",
        "tcp 192.168.11.201:80",
    ])));
    facts.owned = keys(&["tcp 192.168.11.201:80"]);
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [
            "problem table tcp 192.168.11.200:80: it is configured, and not in the table | start \
             lvs-agent, or: lvs-agent reload",
            "warning table tcp 192.168.11.201:80: the agent has made it, and it is no longer \
             configured | lvs-agent reload",
            "warning table udp 192.168.11.9:53: it is not the agent's, which leaves it alone: \
             remove it only if nobody needs it | ipvsadm -D -u 192.168.11.9:53",
            "warning table fwmark 7 ipv6: it is not the agent's, which leaves it alone: \
             remove it only if nobody needs it | ipvsadm -D -f 7 -6",
        ]
    );
    facts.table = Some(Err("permission denied".to_owned()));
    assert_eq!(
        lines(&examine(&config(), &facts)),
        ["problem table IPVS: permission denied | run as root, on a kernel with IPVS"]
    );
}
