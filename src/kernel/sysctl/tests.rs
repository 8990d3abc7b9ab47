use std::fs;

use tempfile::TempDir;

use super::*;

#[test]
fn a_value_is_read_with_single_spaces() {
    let (directory, sysctls) = sysctls();
    let key = key("net.ipv4.tcp_rmem");
    fs::create_dir_all(directory.path().join("net/ipv4")).unwrap();
    fs::write(
        directory.path().join("net/ipv4/tcp_rmem"),
        "4096\t131072\t6291456\n",
    )
    .unwrap();
    assert_eq!(
        sysctls.read(&key).unwrap().as_deref(),
        Some("4096 131072 6291456")
    );
}

#[test]
fn a_written_value_replaces_the_old_one() {
    let (directory, sysctls) = sysctls();
    let key = key("net.ipv4.conf.eth0/100.arp_ignore");
    fs::create_dir_all(directory.path().join("net/ipv4/conf/eth0.100")).unwrap();
    let file = directory.path().join("net/ipv4/conf/eth0.100/arp_ignore");
    fs::write(&file, "1000\n").unwrap();
    sysctls.write(&key, "1").unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "1\n");
}

#[test]
fn missing_parameter_is_neither_read_nor_created() {
    let (directory, sysctls) = sysctls();
    let key = key("net.ipv4.vs.conntrack");
    assert_eq!(sysctls.read(&key).unwrap(), None);
    let error = sysctls.write(&key, "1").unwrap_err();
    assert_eq!(error.to_string(), "cannot set net.ipv4.vs.conntrack to 1");
    assert_eq!(error.cause, Cause::Parameter(SysctlFault::Missing));
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
}

#[test]
fn a_directory_is_an_error_with_its_reason() {
    let (directory, sysctls) = sysctls();
    fs::create_dir_all(directory.path().join("net/ipv4")).unwrap();
    let error = sysctls.read(&key("net.ipv4")).unwrap_err();
    assert!(matches!(error.cause, Cause::File(_)), "{error:?}");
}

#[test]
fn the_hosts_own_parameters_can_be_read() {
    let read = Sysctls::default().read(&key("kernel.ostype")).unwrap();
    assert_eq!(read.as_deref(), Some("Linux"));
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let (_directory, sysctls) = sysctls();
    for (name, fault) in [
        (
            "net.ipv4.conf.eth9/100.arp_ignore",
            SysctlFault::NoInterface("eth9.100".to_owned()),
        ),
        (
            "net.ipv6.neigh.eth9.gc_stale_time",
            SysctlFault::NoInterface("eth9".to_owned()),
        ),
        ("net.ipv4.conf.all.nope", SysctlFault::Missing),
        ("net.ipv4.vs.nope", SysctlFault::Missing),
    ] {
        let error = sysctls.write(&key(name), "1").unwrap_err();
        assert_eq!(error.cause, Cause::Parameter(fault));
    }
}

#[test]
fn error_numbers_that_last_have_words_of_their_own() {
    let key = key("net.ipv4.vs.expire_nodest_conn");
    let fault = |number: Errno| cause(&key, &number.into());
    let lasting = [
        (Errno::ROFS, SysctlFault::ReadOnly("net".to_owned())),
        (Errno::ACCESS, SysctlFault::NotPermitted),
        (Errno::PERM, SysctlFault::NotPermitted),
        (Errno::NOENT, SysctlFault::Missing),
        (Errno::INVAL, SysctlFault::Invalid),
        (Errno::RANGE, SysctlFault::Invalid),
    ];
    for (number, expected) in lasting {
        assert_eq!(fault(number), Cause::Parameter(expected));
        assert!(fault(number).is_lasting());
    }
    for number in [Errno::INTR, Errno::NOMEM, Errno::BUSY, Errno::IO] {
        assert!(!fault(number).is_lasting(), "{number}");
    }
}

/// Against this machine's kernel, each in a network namespace of its own.
mod netns {
    use super::*;
    use crate::kernel::namespace::in_namespace;

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_value_reaches_the_kernel() {
        in_namespace(async || {
            let sysctls = Sysctls::default();
            for (name, value, kept) in [
                ("net.ipv4.conf.lo.arp_ignore", "1", "1"),
                (
                    "net.ipv4.ip_local_port_range",
                    "40000  50000",
                    "40000 50000",
                ),
            ] {
                let key = key(name);
                assert_ne!(sysctls.read(&key).unwrap().as_deref(), Some(kept));
                sysctls.write(&key, value).unwrap();
                let read = sysctls.read(&key).unwrap().unwrap();
                assert_eq!(read, kept);
            }
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn a_refusal_says_why() {
        in_namespace(async || {
            let sysctls = Sysctls::default();
            let key = key("net.ipv4.conf.lo.arp_ignore");
            let error = sysctls.write(&key, "many").unwrap_err();
            assert_eq!(error.cause, Cause::Parameter(SysctlFault::Invalid));
        });
    }
}

fn key(text: &str) -> SysctlKey {
    text.parse().unwrap()
}

fn sysctls() -> (TempDir, Sysctls) {
    let directory = tempfile::tempdir().unwrap();
    let sysctls = Sysctls::below(directory.path());
    (directory, sysctls)
}
