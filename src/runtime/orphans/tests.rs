use std::process::Stdio;

use super::*;

fn sleeper() -> Command {
    let mut command = Command::new("/bin/sleep");
    command.arg("1000").stdin(Stdio::null());
    command
}

async fn ended(child: &mut Child) -> String {
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
    ended.expect("the process ends").unwrap().to_string()
}

async fn marked(children: Children) -> (Child, Own, Mark) {
    spawn_marked(&mut sleeper(), children).await.unwrap()
}

#[tokio::test]
async fn a_mark_ends_what_bears_it_and_nothing_else() {
    let (mut one, _own, mark) = marked(Children::EndWithIt).await;
    let (mut other, other_own, other_mark) = marked(Children::EndWithIt).await;
    let mut plain = sleeper().spawn().unwrap();
    let other_pid = other_own.pid().unwrap();
    let plain_pid = Pid::from_raw(plain.id().unwrap().cast_signed()).unwrap();
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

/// Also what a look finds only after the program was given up.
#[tokio::test]
async fn what_may_outlive_its_program_is_ended_only_if_the_program_is_given_up() {
    let (mut one, _own, mark) = marked(Children::MayOutlive).await;
    let (mut other, other_own, mut other_mark) = marked(Children::MayOutlive).await;
    let other_pid = other_own.pid().unwrap();
    drop(mark);
    assert_eq!(ended(&mut one).await, "signal: 9 (SIGKILL)");
    other_mark.release();
    let value = other_mark.value();
    drop(other_mark);
    mark::end_those_that_are_over(&[other_pid]);
    assert!(other.try_wait().unwrap().is_none());
    mark::give_up(value);
    mark::end_those_that_are_over(&[other_pid]);
    assert_eq!(ended(&mut other).await, "signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn process_is_known_until_it_was_waited_for() {
    let (mut child, own, _mark) = marked(Children::EndWithIt).await;
    let pid = own.pid().unwrap();
    assert!(tree::children(getpid()).contains(&pid));
    assert!(waited_for().contains_key(&pid.as_raw_pid()));
    child.kill().await.unwrap();
    drop(own);
    assert!(!waited_for().contains_key(&pid.as_raw_pid()));
    assert!(!tree::children(getpid()).contains(&pid));
}
