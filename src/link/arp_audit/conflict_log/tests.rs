use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::*;
use crate::reconcile::captured_log::CapturedLog;
use crate::runtime::clock;

fn vip(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(192, 0, high, low).into()
}

#[test]
fn hundreds_of_vips_of_one_host_are_some_lines_and_a_number() {
    let log = CapturedLog::start();
    let mut conflicts = ConflictLog::default();
    let start = clock::monotonic();
    let at = |millis| start + Duration::from_millis(millis);
    let mac = MacAddress([2, 0, 0, 0, 0, 0x21]);
    let foreign_host = MacAddress([2, 0, 0, 0, 0, 0x99]);
    let of = |real_servers| ConflictRecord {
        since: SystemTime::UNIX_EPOCH,
        real_servers,
    };
    let rs1 = of(BTreeMap::from([(vip(1), Arc::from("rs1"))]));
    let nobody = of(BTreeMap::new());
    for number in 0..500 {
        conflicts.begun(vip(number), mac, &rs1, at(u64::from(number) * 2));
    }
    conflicts.begun(vip(7), foreign_host, &nobody, at(1000));
    let lines = log.take();
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(
        lines[9].contains("a real server answers for the VIP"),
        "{}",
        lines[9]
    );
    assert!(lines[10].contains("somebody else answers"), "{}", lines[10]);
    let due = conflicts.next_deadline().unwrap();
    assert_eq!(due, at(998 + 1000));
    conflicts.write_due(at(1997));
    assert_eq!(log.take(), [""; 0]);
    conflicts.write_due(due);
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in [
        "WARN more VIPs are answered for on the link by a real server: `/status` has all",
        "number=490",
        "by=\"rs1 (192.0.0.1), 02:00:00:00:00:21\"",
        "among_them=\"192.0.0.10, 192.0.0.11, 192.0.0.12\"",
        "fix=\"keep the VIP on lo alone",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert_eq!(conflicts.next_deadline(), None);

    for number in 0..500 {
        conflicts.over(vip(number), mac, &rs1, at(60_000));
    }
    conflicts.write_due(at(61_000));
    let lines = log.take();
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(
        lines[10].contains("more conflicts are over"),
        "{}",
        lines[10]
    );
    assert!(lines[10].contains("number=490"), "{}", lines[10]);
}
