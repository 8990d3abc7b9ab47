use super::*;

#[test]
fn errors_of_the_kernel_have_their_class() {
    for (errno, result) in [
        (Errno::MFILE, ProbeResult::Internal),
        (Errno::NFILE, ProbeResult::Internal),
        (Errno::NOBUFS, ProbeResult::Internal),
        (Errno::NOMEM, ProbeResult::Internal),
        (Errno::ADDRNOTAVAIL, ProbeResult::Internal),
        (Errno::PERM, ProbeResult::Internal),
        (Errno::INVAL, ProbeResult::Unreachable),
        (Errno::ACCESS, ProbeResult::Unreachable),
        (Errno::PROTO, ProbeResult::Unreachable),
        // Nobody knows it to be this host's own.
        (Errno::NOTTY, ProbeResult::Unreachable),
        (Errno::NODEV, ProbeResult::Internal),
        (Errno::MSGSIZE, ProbeResult::Internal),
        (Errno::HOSTUNREACH, ProbeResult::Unreachable),
        (Errno::NETUNREACH, ProbeResult::Unreachable),
        (Errno::TIMEDOUT, ProbeResult::Timeout),
        (Errno::PIPE, ProbeResult::Reset),
    ] {
        assert_eq!(from_io(&errno.into()).result, result, "{errno:?}");
    }
}

/// Only what says that packets may not pass is a filter's doing.
#[test]
fn icmp_says_what_it_is_that_does_not_answer() {
    let unreachable = ProbeResult::Unreachable;
    let forbidden = "forbidden on the way (by ICMP)";
    let no_tunnel = "nobody unpacks the tunnel there (by ICMP)";
    let refused = "connection refused (by ICMP)";
    for (v6, kind, code, errno, expected) in [
        (
            false,
            3,
            1,
            Errno::HOSTUNREACH,
            (unreachable, "host unreachable", PathResult::NoNeighbour),
        ),
        (
            true,
            1,
            3,
            Errno::HOSTUNREACH,
            (unreachable, "host unreachable", PathResult::NoNeighbour),
        ),
        (
            false,
            3,
            2,
            Errno::NOPROTOOPT,
            (unreachable, no_tunnel, PathResult::NoReply),
        ),
        (
            true,
            4,
            1,
            Errno::PROTO,
            (unreachable, no_tunnel, PathResult::NoReply),
        ),
        (
            false,
            3,
            3,
            Errno::CONNREFUSED,
            (ProbeResult::Refused, refused, PathResult::Filtered),
        ),
        // The same numbers, of the other protocol.
        (
            true,
            1,
            1,
            Errno::ACCESS,
            (unreachable, forbidden, PathResult::Filtered),
        ),
        (
            false,
            3,
            13,
            Errno::HOSTUNREACH,
            (unreachable, forbidden, PathResult::Filtered),
        ),
    ] {
        let icmp = Icmp {
            kind,
            code,
            v6,
            from_here: false,
        };
        let failure = Failure::by_icmp(icmp, &errno.into(), Transport::Tcp);
        let (result, detail, path_result) = expected;
        let found = (failure.result, &*failure.detail, failure.path_result);
        assert_eq!(found, (result, detail, Some(path_result)), "{icmp:?}");
    }
}

#[test]
fn each_fault_of_this_host_has_a_fix_of_its_own() {
    let faults = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
        Errno::PERM,
    ];
    let fixes = faults.map(|errno| from_io(&errno.into()).fix);
    for (place, (fix, errno)) in fixes.iter().zip(faults).enumerate() {
        assert!(fix.is_some(), "{errno:?}");
        assert!(!fixes[..place].contains(fix), "{errno:?}: {fix:?}");
    }
}

#[test]
fn routes_of_this_host_are_fixed_on_the_director() {
    for (errno, fix) in [
        (Errno::NETUNREACH, NO_ROUTE),
        (Errno::NETDOWN, NO_ROUTE),
        (Errno::INVAL, OWN_ROUTES),
        (Errno::ACCESS, OWN_ROUTES),
    ] {
        assert_eq!(
            from_io(&errno.into()).fix,
            Some(Fix::on_director(fix)),
            "{errno:?}"
        );
    }
}

/// Every kind of error that a router or a host can send for a datagram counts
/// against the real server, and is told as what it is.
#[test]
fn icmp_errors_of_datagrams_count() {
    let unreachable = ProbeResult::Unreachable;
    let forbidden = "forbidden on the way (by ICMP)";
    let too_large = "the packets are too large for the way there (by ICMP)";
    let circle = "the packets go in a circle, or too far (by ICMP)";
    for (v6, kind, code, errno, result, detail) in [
        (
            true,
            1,
            0,
            Errno::NETUNREACH,
            unreachable,
            "network unreachable (by ICMP)",
        ),
        (true, 1, 1, Errno::ACCESS, unreachable, forbidden),
        (
            true,
            1,
            4,
            Errno::CONNREFUSED,
            ProbeResult::Refused,
            "connection refused",
        ),
        (true, 1, 5, Errno::ACCESS, unreachable, forbidden),
        (true, 1, 6, Errno::ACCESS, unreachable, forbidden),
        (true, 2, 0, Errno::MSGSIZE, unreachable, too_large),
        (true, 3, 0, Errno::HOSTUNREACH, unreachable, circle),
        (
            true,
            4,
            0,
            Errno::PROTO,
            unreachable,
            "protocol error (by ICMP)",
        ),
        (
            false,
            3,
            0,
            Errno::NETUNREACH,
            unreachable,
            "network unreachable (by ICMP)",
        ),
        (
            false,
            3,
            3,
            Errno::CONNREFUSED,
            ProbeResult::Refused,
            "connection refused",
        ),
        (false, 3, 4, Errno::MSGSIZE, unreachable, too_large),
        (false, 3, 9, Errno::NETUNREACH, unreachable, forbidden),
        (false, 3, 10, Errno::HOSTUNREACH, unreachable, forbidden),
        (false, 3, 13, Errno::HOSTUNREACH, unreachable, forbidden),
        (false, 11, 0, Errno::HOSTUNREACH, unreachable, circle),
        (
            false,
            12,
            0,
            Errno::PROTO,
            unreachable,
            "protocol error (by ICMP)",
        ),
        // A number that no table has.
        (
            false,
            77,
            0,
            Errno::NOTTY,
            unreachable,
            "unreachable (by ICMP)",
        ),
    ] {
        let mut icmp = Icmp {
            kind,
            code,
            v6,
            from_here: false,
        };
        let failure = Failure::by_icmp(icmp, &errno.into(), Transport::Datagrams);
        assert_eq!(
            (failure.result, &*failure.detail),
            (result, detail),
            "{icmp:?}"
        );
        icmp.from_here = true;
        let failure = Failure::by_icmp(icmp, &errno.into(), Transport::Datagrams);
        assert_eq!(failure.result, ProbeResult::Internal, "{icmp:?}");
    }
}
