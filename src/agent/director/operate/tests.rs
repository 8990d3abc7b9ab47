use super::*;

#[test]
fn a_deadline_goes_on_and_is_never_out_of_reach() {
    let far = clock::wall() + Duration::from_secs(40);
    let left = again(far).until - clock::monotonic();
    assert!((38..=40).contains(&left.as_secs()), "{left:?}");
    let past = again(SystemTime::UNIX_EPOCH).until;
    assert!(past <= clock::monotonic());
    let left = in_from_now(Duration::MAX).until - clock::monotonic();
    assert!(left <= LONGEST_DEADLINE);
}

#[test]
fn decision_says_who_and_why_without_what_is_not_seen() {
    let reason: Reason = "new\nkernel".parse().unwrap();
    let decided = decision(None, Some(&reason));
    assert_eq!(decided.reason.as_deref(), Some("new kernel"));
    assert_eq!(decided.by, None);
    assert!(decided.since.is_some());
}
