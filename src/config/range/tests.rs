use proptest::prelude::*;

use super::*;

#[test]
fn a_range_has_both_its_ends() {
    let all = |text| {
        let (first, last) = ends(text).unwrap();
        let range = AddressRange { first, last };
        let all: Vec<_> = range.addresses().map(|a| a.to_string()).collect();
        assert_eq!(range.count(), u128::try_from(all.len()).unwrap());
        all
    };
    assert_eq!(
        all("192.168.11.254-192.168.12.1"),
        [
            "192.168.11.254",
            "192.168.11.255",
            "192.168.12.0",
            "192.168.12.1"
        ]
    );
    assert_eq!(all("10.0.0.7-7"), ["10.0.0.7"]);
    assert_eq!(
        all("2001:db8::ffff-2001:db8::1:0"),
        ["2001:db8::ffff", "2001:db8::1:0"]
    );
}

#[test]
fn the_largest_range_is_counted_and_refused() {
    let (first, last) = ends("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe").unwrap();
    let range = AddressRange { first, last };
    let mut problems = Problems::default();
    let mut budget = ExpansionBudget::default();
    let taken = budget.take(range.count(), super::super::node::START, &mut problems);
    assert!(taken.is_err());
    let taken = budget.take(65_536, super::super::node::START, &mut problems);
    assert!(taken.is_ok());
    let taken = budget.take(1, super::super::node::START, &mut problems);
    assert!(taken.is_err());
}

proptest! {
    #[test]
    fn no_text_makes_ends_panic(text in "[0-9a-f.:\\- ]{0,40}") {
        let _ = ends(&text);
    }

    #[test]
    fn any_short_range_is_read_back(first in any::<Ipv4Addr>(), length in 0..300_u32) {
        let last = Ipv4Addr::from(u32::from(first).saturating_add(length));
        let found = ends(&format!("{first}-{last}"));
        prop_assert_eq!(found, Some((first.into(), last.into())));
    }
}
