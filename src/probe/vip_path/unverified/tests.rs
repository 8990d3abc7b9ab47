use super::*;

#[test]
fn each_reason_has_a_fix_of_its_own() {
    let vip = "192.168.11.200:80".parse().unwrap();
    let reasons = [
        Unverified::NoMark,
        Unverified::NoneLeft,
        Unverified::NoService,
        Unverified::NoKernel,
        Unverified::NotCounted,
        Unverified::Unreadable("EPERM".to_owned()),
        Unverified::NoCanary,
        Unverified::CanaryNotRefused("was answered".to_owned()),
        Unverified::AnswerDropped(vip),
        Unverified::NothingLeaves(vip.ip()),
        Unverified::AnswersNow,
        Unverified::Backup,
    ];
    let fixes = reasons.clone().map(|reason| reason.fix().into_owned());
    for (place, (fix, reason)) in fixes.iter().zip(&reasons).enumerate() {
        assert!(!fixes[..place].contains(fix), "{reason:?}: {fix}");
    }
}
