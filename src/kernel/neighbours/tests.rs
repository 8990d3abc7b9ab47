use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(
        family in prop::sample::select(vec![2_u8, 10, 28]),
        rest in proptest::collection::vec(any::<u8>(), 0..128),
    ) {
        let bytes = [vec![family], rest].concat();
        let _ = neighbour(&bytes);
    }
}

/// Against this machine's kernel, with ip(8) as the witness.
mod netns {
    use super::*;
    use crate::kernel::namespace::{in_namespace, run};

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn neighbours_of_both_families_are_listed_and_failed_ones_are_not() {
        in_namespace(async || {
            run("ip", "link add eth0 type veth peer name eth1");
            run("ip", "link set eth0 up");
            run(
                "ip",
                "neigh add 192.168.11.21 lladdr 02:00:00:00:00:21 dev eth0 nud stale",
            );
            run(
                "ip",
                "neigh add 2001:db8::21 lladdr 02:00:00:00:00:21 dev eth0 nud permanent",
            );
            run("ip", "neigh add 192.168.11.22 dev eth0 nud failed");
            let mac = MacAddress([2, 0, 0, 0, 0, 0x21]);
            let found = Neighbours::new().list().await.unwrap();
            let expected = ["192.168.11.21", "2001:db8::21"];
            let expected = expected.map(|address| (address.parse().unwrap(), mac));
            assert_eq!(found, BTreeMap::from(expected));
        });
    }
}
