use super::*;
use crate::model::Diagnosis;

const SIGHTS: [Sight; 7] = [
    Sight::Well,
    Sight::Refused,
    Sight::Wrong,
    Sight::Silent,
    Sight::Filtered,
    Sight::NoNeighbour,
    Sight::Unknown,
];

/// Every combination: a row for what the real server's own address showed, a
/// column for what the VIP did, in the order of `SIGHTS`, the first of each
/// for a way that was not asked.
#[test]
fn every_pair_of_sights_has_its_diagnosis() {
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
    let ways = || [None].into_iter().chain(SIGHTS.map(Some));
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
            let thief = Diagnosis::of(plain, vip, true, true);
            assert_eq!(thief, Some(Diagnosis::ArpConflict), "{plain:?} {vip:?}");
        }
    }
}

#[test]
fn what_the_other_end_says_of_itself_decides() {
    let told = Some(Sight::Told(Diagnosis::VipMissing));
    for other in [None].into_iter().chain(SIGHTS.map(Some)) {
        for (plain, vip) in [(told, other), (other, told)] {
            let found = Diagnosis::of(plain, vip, false, true);
            assert_eq!(found, Some(Diagnosis::VipMissing), "{plain:?} {vip:?}");
        }
    }
}
