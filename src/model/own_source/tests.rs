use std::convert::Infallible;

use super::*;

/// What is told with these values of `all` and `eth0.7`, where the VIP is on `from`.
fn kept_out(accept: (u32, u32), filter: (u32, u32), from: &str) -> Option<String> {
    let found = OwnSource::kept_out("eth0.7", from, |place, name| {
        let (all, own) = if name == "rp_filter" { filter } else { accept };
        Ok::<_, Infallible>(match place {
            "all" => all,
            "eth0/7" => own,
            other => panic!("{other}"),
        })
    });
    let Ok(found) = found;
    found.map(|found| format!("{found}: {}", found.command()))
}

#[test]
fn the_larger_of_both_values_holds() {
    let closed = "net.ipv4.conf.eth0/7.accept_local is 0: \
                  sysctl -w net.ipv4.conf.eth0/7.accept_local=1";
    let strict = "net.ipv4.conf.eth0/7.rp_filter is 1 and the VIP is on another interface: \
                  sysctl -w net.ipv4.conf.eth0/7.rp_filter=2";
    for (accept, filter, from, expected) in [
        ((0, 0), (0, 0), "eth0.7", Some(closed)),
        ((1, 0), (0, 0), "eth0.7", None),
        ((0, 1), (1, 1), "eth0.7", None),
        ((0, 1), (0, 0), "lo", None),
        ((0, 1), (1, 0), "lo", Some(strict)),
        ((0, 1), (0, 1), "lo", Some(strict)),
        ((0, 1), (1, 2), "lo", None),
    ] {
        let found = kept_out(accept, filter, from);
        assert_eq!(found.as_deref(), expected, "{accept:?} {filter:?} {from}");
    }
}
