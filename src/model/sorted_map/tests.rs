use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::SortedMap;

/// What is done with a map: a key with a value to insert, or a key to remove.
fn changes() -> impl Strategy<Value = Vec<(u8, Option<u16>)>> {
    vec((0..12_u8, any::<Option<u16>>()), 0..60)
}

proptest! {
    #[test]
    fn holds_what_a_map_of_nodes_holds(first in vec((0..12_u8, any::<u16>()), 0..30), changes in changes()) {
        let mut expected: BTreeMap<_, _> = first.iter().copied().collect();
        let mut map: SortedMap<_, _> = first.into_iter().collect();
        for (key, value) in changes {
            let (before, expected_before) = if let Some(value) = value {
                (map.insert(key, value), expected.insert(key, value))
            } else {
                (map.remove(&key), expected.remove(&key))
            };
            prop_assert_eq!(before, expected_before);
            prop_assert_eq!(map.get(&key), expected.get(&key));
            prop_assert_eq!(map.contains_key(&key), expected.contains_key(&key));
        }
        prop_assert!(map.iter().eq(expected.iter()));
        prop_assert!(map.keys().eq(expected.keys()));
        prop_assert!(map.values().eq(expected.values()));
        prop_assert_eq!(map.len(), expected.len());
    }
}

#[test]
fn collected_map_takes_the_memory_of_its_entries() {
    let map: SortedMap<_, _> = (0..17_u32)
        .filter(|key| key % 3 < 2)
        .map(|key| (key, key))
        .collect();
    assert_eq!(map.0.capacity(), map.len());
}
