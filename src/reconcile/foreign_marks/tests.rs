use super::*;
use crate::config::ProbeMark;
use crate::reconcile::captured_log::CapturedLog;
use crate::status::fixture::{config_through_vip, start};

#[test]
fn each_condition_of_marks_is_logged_once_and_once_that_it_is_over() {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x100, 3).unwrap();
    let foreign = |marks: &[&str]| -> BTreeSet<ServiceKey> {
        let key = |mark: &&str| format!("fwmark {mark} ipv6").parse().unwrap();
        marks.iter().map(key).collect()
    };
    let log = CapturedLog::start();
    let conditions = Conditions::default();
    let note = |others: &[&str]| {
        let others = foreign(others);
        let marks = Marks::assign(&config, &Marks::default(), &others);
        for _ in 0..2 {
            update(&conditions, &others, &marks, start());
        }
        log.take()
    };
    assert_eq!(note(&[]), [""; 0]);
    let one = note(&["256"]);
    assert_eq!(one.len(), 1, "{one:?}");
    let found = "the table has the service fwmark 256 ipv6 by a mark of `director.probe_mark`, and \
                 the agent does not remember to have made it: it is left alone, and probes take \
                 other marks";
    let fix = "fix=\"if nobody needs it: ipvsadm -D -f 256 -6\"";
    assert!(one[0].contains(found) && one[0].ends_with(fix), "{one:?}");
    let two = note(&["256", "258"]);
    assert_eq!(two.len(), 2, "{two:?}");
    assert!(two[0].contains("fwmark 258 ipv6"), "{two:?}");
    for part in [
        "WARN no mark is left for some probes through VIPs",
        "no mark of `director.probe_mark` is left for 1 of 2 ways to real servers (ipv4 to \
         192.168.11.22 by direct)",
        "give `mask` of `director.probe_mark` more bits, or remove what others have by its marks \
         and nobody needs: ipvsadm -D -f 256 -6; ipvsadm -D -f 258 -6",
    ] {
        assert!(two[1].contains(part), "{part} in {two:?}");
    }
    assert_eq!(note(&["256"]).len(), 2, "both are over");
    assert_eq!(note(&["256", "258"]).len(), 2, "both are there anew");
}
