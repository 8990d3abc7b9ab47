use std::net::SocketAddr;
use std::path::Path;

use nix::unistd::User;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::config::{CheckKind, ExecCheck};
use crate::probe::fixture::{AMPLE, SHORT, ask, ask_within, assert_outcome};
use crate::probe::{Advice, Outcome, ProbeResult};

fn target() -> SocketAddr {
    "192.0.2.7:8080".parse().unwrap()
}

fn exec(command: &[&str]) -> ExecCheck {
    ExecCheck {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        user: None,
        advice: false,
    }
}

async fn run(command: &[&str]) -> Outcome {
    ask(target(), CheckKind::Exec(exec(command))).await
}

async fn advise(script: &str) -> Outcome {
    let check = ExecCheck {
        advice: true,
        ..exec(&["/bin/sh", "-c", script])
    };
    ask(target(), CheckKind::Exec(check)).await
}

#[tokio::test]
async fn the_exit_code_decides() {
    assert_outcome(&run(&["/bin/true"]).await, ProbeResult::Ok, "exit code 0");
    let outcome = run(&["/bin/sh", "-c", "exit 3"]).await;
    assert_outcome(&outcome, ProbeResult::Status, "exit code 3");
    let outcome = run(&["/bin/sh", "-c", "kill -9 $$"]).await;
    assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
}

#[tokio::test]
async fn what_cannot_run_says_nothing_of_the_real_server() {
    for command in [
        ["/nonexistent/check"].as_slice(),
        &["/etc/passwd"],
        &["/bin/sh", "-c", "/nonexistent/check"],
    ] {
        let outcome = run(command).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    }
    let check = ExecCheck {
        user: Some("no-such-user".to_owned()),
        ..exec(&["/bin/true"])
    };
    assert_outcome(
        &ask(target(), CheckKind::Exec(check)).await,
        ProbeResult::Internal,
        "there is no user `no-such-user`",
    );
}

#[tokio::test]
async fn words_are_passed_as_they_are_but_for_the_real_servers_address() {
    let test = r#"test "$1" = '192.0.2.7' && test "$2" = '8080' && test "$3" = '$(false) *' \
        && test -z "$HOME" && test "$PWD" = / && ! read line"#;
    let words = [
        "/bin/sh",
        "-c",
        test,
        "sh",
        "{address}",
        "{port}",
        "$(false) *",
    ];
    assert_outcome(&run(&words).await, ProbeResult::Ok, "exit code 0");
}

#[tokio::test]
async fn the_output_advises_if_asked_for() {
    let outcome = advise("echo 30%; echo more").await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 30%");
    assert_eq!(outcome.advice, Some(Advice::Percent(30)));
    assert_outcome(&advise("").await, ProbeResult::Ok, "says nothing");
    assert_outcome(
        &advise("echo 30%; exit 1").await,
        ProbeResult::Status,
        "exit code 1",
    );
    assert_outcome(
        &advise("echo down").await,
        ProbeResult::Status,
        "says that it is down",
    );
    let endless = ask_within(
        AMPLE,
        target(),
        CheckKind::Exec(ExecCheck {
            advice: true,
            ..exec(&["/bin/sh", "-c", "while echo xxxxxxxxxxxxxxxx; do :; done"])
        }),
    );
    assert_ne!(endless.await.result, ProbeResult::Ok);
}

#[tokio::test]
async fn at_the_time_out_the_whole_group_goes() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = format!(
        "sleep 1000 & echo $! >{0}; echo $$ >>{0}; exec sleep 1000",
        pids.display()
    );
    let kind = CheckKind::Exec(exec(&["/bin/sh", "-c", &script]));
    let outcome = ask_within(SHORT * 5, target(), kind).await;
    assert_eq!(outcome.result, ProbeResult::Timeout, "{outcome:?}");
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    let gone = |pid: &str| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
        // A zombie is one that its parent has not waited for yet.
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let all_gone = async {
        while !pids.lines().all(gone) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE, all_gone).await.unwrap();
}

#[tokio::test]
async fn it_runs_as_the_user_that_the_check_names() {
    if !rustix::process::geteuid().is_root() {
        // Only root can become another user.
        let check = ExecCheck {
            user: Some("root".to_owned()),
            ..exec(&["/bin/true"])
        };
        let outcome = ask(target(), CheckKind::Exec(check)).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
        return;
    }
    let check = ExecCheck {
        user: Some("nobody".to_owned()),
        ..exec(&[
            "/bin/sh",
            "-c",
            "test $(id -un) = nobody && test $(id -G) = $(id -g nobody)",
        ])
    };
    let outcome = ask(target(), CheckKind::Exec(check)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "exit code 0");
}

#[tokio::test]
async fn a_program_that_could_not_be_ended_is_not_run() {
    let mut held = capabilities(None).unwrap();
    let all_others = held.effective - CapabilitySet::KILL;
    held.effective = all_others;
    // Of this thread alone, which is the test's own.
    set_capabilities(None, held).unwrap();
    let check = ExecCheck {
        user: Some("nobody".to_owned()),
        ..exec(&["/bin/true"])
    };
    let outcome = ask(target(), CheckKind::Exec(check)).await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    assert!(outcome.detail.contains("CAP_KILL, which"), "{outcome:?}");
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    assert_eq!(
        outcome.detail.contains("lacks CAP_KILL, "),
        all_others.contains(needed),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_agents_own_user_needs_no_capability() {
    let mut held = capabilities(None).unwrap();
    held.effective = CapabilitySet::empty();
    set_capabilities(None, held).unwrap();
    let own = User::from_uid(nix::unistd::geteuid()).unwrap().unwrap();
    let check = ExecCheck {
        user: Some(own.name),
        ..exec(&["/bin/true"])
    };
    let outcome = ask(target(), CheckKind::Exec(check)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "exit code 0");
}
