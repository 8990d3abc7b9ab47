use super::*;
use crate::config::ProbeMark;
use crate::reconcile::captured_log::CapturedLog;
use crate::status::fixture::config_through_vip;

#[test]
fn each_trouble_is_said_once_and_that_it_is_over() {
    let mut config = config_through_vip();
    config.director.probe_mark = ProbeMark::new(0x100, 3).unwrap();
    let foreign = |marks: &[&str]| -> BTreeSet<ServiceKey> {
        let key = |mark: &&str| format!("fwmark {mark} ipv6").parse().unwrap();
        marks.iter().map(key).collect()
    };
    let log = CapturedLog::start();
    let mut said = SaidOfMarks::default();
    let mut note = |others: &[&str]| {
        let others = foreign(others);
        let marks = Marks::assign(&config, &Marks::default(), &others);
        said.note(&others, &marks);
        said.note(&others, &marks);
        log.take()
    };
    assert_eq!(note(&[]), [""; 0]);
    assert_eq!(
        note(&["256"]),
        [
            "WARN the table has the service fwmark 256 ipv6 by a mark of `director.probe_mark`, \
             and the agent does not remember to have made it: it is left alone, and probes take \
             other marks; if nobody needs it: ipvsadm -D -f 256 -6"
        ]
    );
    let two = note(&["256", "258"]);
    assert_eq!(two.len(), 2, "{two:?}");
    assert!(two[0].contains("fwmark 258 ipv6 by a mark"), "{two:?}");
    assert_eq!(
        two[1],
        "WARN no mark of `director.probe_mark` is left for 1 of 2 ways to real servers (ipv4 to \
         192.168.11.22 by direct): probes through VIPs over them stay unverified; give `mask` of \
         `director.probe_mark` more bits, or remove what others have by its marks and nobody \
         needs: ipvsadm -D -f 256 -6; ipvsadm -D -f 258 -6"
    );
    assert_eq!(
        note(&["256"]),
        ["INFO each way to a real server has a mark of `director.probe_mark` again"]
    );
    assert_eq!(note(&["256", "258"]).len(), 2, "it is there anew");
}
