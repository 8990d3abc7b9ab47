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
