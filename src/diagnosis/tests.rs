use super::*;
use crate::model::Diagnosis;

const PATH_RESULTS: [PathResult; 7] = [
    PathResult::Passed,
    PathResult::Refused,
    PathResult::WrongAnswer,
    PathResult::NoReply,
    PathResult::Filtered,
    PathResult::NoNeighbour,
    PathResult::Unknown,
];

/// Every combination: a row for what the real server's own address showed, a
/// column for what the VIP did, in the order of `PATH_RESULTS`, the first of each
/// for a way that was not asked.
#[test]
fn every_pair_of_path_results_has_its_diagnosis() {
    // - none, + ok, a application down, m VIP missing, l not listening on the
    // VIP, f filtered, u unreachable, ? unverified
    let table = [
        "- + a a u f u ?", // not asked
        "+ + l a m f m ?", // well
        "a a a a a f a a", // refused
        "a a a a a f a a", // wrong
        "u f a a u f u u", // silent
        "f f f f f f f f", // filtered
        "u f a a u f u u", // no neighbour
        "? + a a u f u ?", // unknown
    ];
    let ways = || [None].into_iter().chain(PATH_RESULTS.map(Some));
    for (plain, row) in ways().zip(table) {
        for (vip, letter) in ways().zip(row.split(' ')) {
            let expected = match letter {
                "-" => None,
                "+" => Some(Diagnosis::Ok),
                "a" => Some(Diagnosis::ApplicationDown),
                "m" => Some(Diagnosis::VipMissing),
                "l" => Some(Diagnosis::NotListeningOnVip),
                "f" => Some(Diagnosis::PathFiltered),
                "u" => Some(Diagnosis::Unreachable),
                _ => Some(Diagnosis::Unverified),
            };
            let found = Diagnosis::of(plain, vip, false, false);
            assert_eq!(found, expected, "{plain:?} {vip:?}");
            let there = match expected {
                Some(Diagnosis::Unreachable) => Some(Diagnosis::ApplicationDown),
                other => other,
            };
            let found = Diagnosis::of(plain, vip, false, true);
            assert_eq!(found, there, "{plain:?} {vip:?}, and it is there");
            let arp_conflict = Diagnosis::of(plain, vip, true, true);
            assert_eq!(
                arp_conflict,
                Some(Diagnosis::ArpConflict),
                "{plain:?} {vip:?}"
            );
        }
    }
}

#[test]
fn reported_diagnosis_takes_precedence() {
    let reported = Some(PathResult::Reported(Diagnosis::VipMissing));
    for other in [None].into_iter().chain(PATH_RESULTS.map(Some)) {
        for (plain, vip) in [(reported, other), (other, reported)] {
            let found = Diagnosis::of(plain, vip, false, true);
            assert_eq!(found, Some(Diagnosis::VipMissing), "{plain:?} {vip:?}");
        }
    }
}
