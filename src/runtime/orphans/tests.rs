use std::process::Stdio;

use super::*;

fn sleeper() -> Command {
    let mut command = Command::new("/bin/sleep");
    command.arg("1000").stdin(Stdio::null());
    command
}

#[tokio::test]
async fn a_mark_ends_what_bears_it_and_nothing_else() {
    let (mut one, _own, mark) = spawn_marked(&mut sleeper()).await.unwrap();
    let (mut other, other_own, other_mark) = spawn_marked(&mut sleeper()).await.unwrap();
    let (mut plain, plain_own) = spawn(&mut sleeper()).await.unwrap();
    let [other_pid, plain_pid] = [&other_own, &plain_own].map(|own| own.pid().unwrap());
    assert_eq!(mark::mark_of(other_pid), Some(other_mark.value()));
    assert_eq!(mark::mark_of(plain_pid), None);
    assert_eq!(mark::mark_of(getpid()), None);

    drop(mark);
    let status = one.wait().await.unwrap();
    assert_eq!(status.to_string(), "signal: 9 (SIGKILL)");
    // As if nobody waited for them: a probe that runs keeps what is its own.
    mark::end_those_that_are_over(&[other_pid, plain_pid]);
    assert!(other.try_wait().unwrap().is_none());
    assert!(plain.try_wait().unwrap().is_none());
    drop(other_mark);
    other.wait().await.unwrap();
    assert!(plain.try_wait().unwrap().is_none());
    plain.kill().await.unwrap();
}

#[tokio::test]
async fn process_is_known_until_it_was_waited_for() {
    let (mut child, own) = spawn(&mut sleeper()).await.unwrap();
    let pid = own.pid().unwrap();
    assert!(tree::children(getpid()).contains(&pid));
    assert!(waited_for().contains_key(&pid.as_raw_pid()));
    child.kill().await.unwrap();
    drop(own);
    assert!(!waited_for().contains_key(&pid.as_raw_pid()));
    assert!(!tree::children(getpid()).contains(&pid));
}
