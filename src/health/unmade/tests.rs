use super::*;
use crate::clock;

#[test]
fn an_episode_is_told_once_however_many_probes_it_costs() {
    let start = clock::monotonic();
    let second = Duration::from_secs(1);
    let mut unmade = Unmade::default();
    assert_eq!(unmade.over(start), None);
    assert!(unmade.note(start));
    // Some probes get through, others do not.
    for seconds in 1..30 {
        assert!(!unmade.note(start + second * seconds));
        assert_eq!(unmade.over(start + second * seconds), None);
    }
    assert_eq!(unmade.over(start + second * 38), None);
    assert_eq!(unmade.over(start + second * 39), Some(30));
    assert_eq!(unmade.over(start + second * 40), None);
    assert!(unmade.note(start + second * 41), "the next one is news");
}
