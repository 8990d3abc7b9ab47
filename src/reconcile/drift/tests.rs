use super::*;
use crate::model::LocalAddress;
use crate::reconcile::captured_log::CapturedLog;

#[test]
fn one_line_stands_for_a_whole_table_that_was_taken_away() {
    let address = |n: u16| {
        let [high, low] = n.to_be_bytes();
        Step::AddAddress(LocalAddress {
            interface: "eth0".to_owned(),
            address: [10, 0, high, low].into(),
        })
    };
    let steps: Vec<_> = (0..400).map(address).collect();
    let drift = steps
        .iter()
        .map(|step| (step.subject(), DriftKind::AddressMissing));
    let drift = drift.collect();
    let log = CapturedLog::start();
    announce(&steps, &drift);
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let first = "WARN drift, repaired: + address 10.0.0.0/32 on eth0; and all the others";
    assert!(lines[0].starts_with(first), "{lines:?}");
    assert!(
        lines[0].contains("number=400") && lines[0].contains("kinds=\"400 address_missing\""),
        "{lines:?}"
    );
    announce(&steps[..3], &drift);
    assert_eq!(log.take().len(), 3);
    announce(&steps[..65], &BTreeMap::new());
    assert_eq!(
        log.take(),
        ["INFO 65 changes in the table and on this host"]
    );
}
