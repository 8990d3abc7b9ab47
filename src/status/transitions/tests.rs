use super::*;

#[test]
fn keeps_the_last_twenty_with_the_newest_first() {
    let transitions = Transitions::default();
    assert_eq!(transitions.list(), []);
    for number in 1..=25_u32 {
        transitions.note(TransitionRecord {
            at: SystemTime::UNIX_EPOCH,
            service: "web".into(),
            real_server: format!("rs{number}").into(),
            to: Health::Up,
            reason: "1 probe passed".to_owned(),
            diagnosis: None,
        });
    }
    let names = transitions.list().into_iter().map(|one| one.real_server);
    let expected = (6..=25).rev().map(|number| format!("rs{number}"));
    assert_eq!(
        names.map(|name| name.to_string()).collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
}
