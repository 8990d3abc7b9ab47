use super::*;
use crate::reconcile::captured_log::CapturedLog;

#[test]
fn an_overrun_as_message_and_another_failure_is_none() {
    let answers = [
        Ok(20),
        Err(Errno::ENOBUFS),
        Err(Errno::EAGAIN),
        Err(Errno::EBADF),
    ];
    let mut answers = answers.into_iter();
    let mut take = overrun_as_message(|| answers.next().unwrap());
    assert_eq!(take(), Ok(()));
    assert_eq!(take(), Ok(()));
    assert_eq!(take(), Err(Errno::EAGAIN));
    assert_eq!(take(), Err(Errno::EBADF));
}

#[test]
fn failure_is_logged_once_with_its_consequence() {
    let log = CapturedLog::start();
    let mut changes = HostChanges::new("repair waits");
    let error = io::Error::from_raw_os_error(24);
    for _ in 0..3 {
        changes.failed(&error);
    }
    let lines = log.take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = "WARN no notification of changes of this host arrives";
    for expected in [line, "os error 24", "repair waits"] {
        assert!(lines[0].contains(expected), "{lines:?}");
    }
}

/// Against this machine's kernel, each in a network namespace of its own.
mod netns {
    use tokio::time::timeout;

    use super::super::*;
    use crate::kernel::namespace::{in_namespace, run};

    const SOON: Duration = Duration::from_secs(10);
    const QUIET: Duration = Duration::from_millis(300);

    /// Takes what is still to come of earlier changes.
    async fn settled(changes: &mut HostChanges) {
        while timeout(QUIET, changes.changed()).await.is_ok() {}
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn notifies_of_changes_of_addresses_and_interfaces_by_another_program() {
        in_namespace(async || {
            let mut changes = HostChanges::new("repair waits");
            timeout(SOON, changes.changed()).await.expect("the opening");
            settled(&mut changes).await;
            for command in [
                "address add 192.168.11.200/32 dev lo",
                "address del 192.168.11.200/32 dev lo",
                "address add 2001:db8::200/128 dev lo nodad",
                "address del 2001:db8::200/128 dev lo",
                "link add wan0 type veth peer name wan1",
                "link set wan0 up",
                "link del wan0",
            ] {
                run("ip", command);
                let reported = timeout(SOON, changes.changed()).await;
                assert!(reported.is_ok(), "ip {command}");
                settled(&mut changes).await;
            }
        });
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn lost_messages_are_a_change_and_those_after_them_are_heard() {
        in_namespace(async || {
            let mut changes = HostChanges::new("repair waits");
            timeout(SOON, changes.changed()).await.expect("the opening");
            let lines = |verb: &str| {
                let line =
                    |n: u32| format!("address {verb} 10.{}.{}.1/32 dev lo\n", n / 200, n % 200);
                (0..2000).map(line).collect::<String>()
            };
            let batch = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(batch.path(), lines("add")).unwrap();
            run("ip", &format!("-batch {}", batch.path().display()));
            timeout(SOON, changes.changed()).await.expect("the overrun");
            settled(&mut changes).await;
            run("ip", "address del 10.0.0.1/32 dev lo");
            timeout(SOON, changes.changed())
                .await
                .expect("the next change");
        });
    }
}
