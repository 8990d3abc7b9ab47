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
        (Errno::INVAL, ProbeResult::Internal),
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
            (unreachable, "host unreachable", Sight::NoNeighbour),
        ),
        (
            true,
            1,
            3,
            Errno::HOSTUNREACH,
            (unreachable, "host unreachable", Sight::NoNeighbour),
        ),
        (
            false,
            3,
            2,
            Errno::NOPROTOOPT,
            (unreachable, no_tunnel, Sight::Silent),
        ),
        (
            true,
            4,
            1,
            Errno::PROTO,
            (unreachable, no_tunnel, Sight::Silent),
        ),
        (
            false,
            3,
            3,
            Errno::CONNREFUSED,
            (ProbeResult::Refused, refused, Sight::Filtered),
        ),
        // The same numbers, of the other protocol.
        (
            true,
            1,
            1,
            Errno::ACCESS,
            (unreachable, forbidden, Sight::Filtered),
        ),
        (
            false,
            3,
            13,
            Errno::HOSTUNREACH,
            (unreachable, "host unreachable (by ICMP)", Sight::Filtered),
        ),
    ] {
        let icmp = Icmp { kind, code, v6 };
        let failure = Failure::by_icmp(icmp, from_io(&errno.into()));
        let (result, detail, sight) = expected;
        let found = (failure.result, &*failure.detail, failure.sight);
        assert_eq!(found, (result, detail, Some(sight)), "{icmp:?}");
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
