use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use nix::unistd::User;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::exchange_result;
use crate::config::{CheckKind, ExecCheck};
use crate::model::ProbeResult;
use crate::probe::fixture::{AMPLE, SHORT, ask, ask_within, assert_outcome};
use crate::probe::haproxy_reply::ADVICE;
use crate::probe::{Outcome, WeightAdvice};
use crate::runtime::orphans;

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
async fn every_exit_code_but_0_counts() {
    for code in 1..=255 {
        let outcome = run(&["/bin/sh", "-c", &format!("exit {code}")]).await;
        assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
        let detail = format!("exit code {code}");
        let detail = match code {
            126 => detail + ", as of a program that could not be run",
            127 => detail + ", as of a program that was not found",
            _ => detail,
        };
        assert_eq!(outcome.detail, detail);
    }
}

#[tokio::test]
async fn a_program_that_cannot_run_another_one_fails() {
    for (command, code) in [
        (["/bin/sh", "-c", "/nonexistent/check"].as_slice(), 127),
        (&["/bin/sh", "-c", "/etc/passwd"], 126),
        (&["/usr/bin/env", "no-such-program"], 127),
        (&["/usr/bin/env", "/etc/passwd"], 126),
    ] {
        let outcome = run(command).await;
        assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
        let detail = format!("exit code {code}, as of");
        assert!(outcome.detail.starts_with(&detail), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_end_by_a_signal_counts() {
    for (signal, detail) in [
        ("KILL", "ended by signal 9 (SIGKILL)"),
        ("SEGV", "ended by signal 11 (SIGSEGV)"),
        ("PIPE", "ended by signal 13 (SIGPIPE)"),
        ("ABRT", "ended by signal 6 (SIGABRT)"),
        ("TERM", "ended by signal 15 (SIGTERM)"),
        ("RTMIN", "ended by signal 34"),
    ] {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        let outcome = run(&["/bin/bash", "-c", &script]).await;
        assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
        // A host may keep core files whatever a limit says.
        assert!(outcome.detail.starts_with(detail), "{outcome:?}");
    }
}

#[test]
fn a_kill_for_want_of_memory_is_this_hosts_own() {
    let killed = std::process::ExitStatus::from_raw(9);
    let failure = exchange_result(killed, "", true).unwrap_err();
    assert_eq!(failure.result, ProbeResult::Internal, "{failure:?}");
    let failure = exchange_result(killed, "", false).unwrap_err();
    assert_eq!(failure.result, ProbeResult::Status, "{failure:?}");
    let other = std::process::ExitStatus::from_raw(11);
    let failure = exchange_result(other, "", true).unwrap_err();
    assert_eq!(failure.result, ProbeResult::Status, "{failure:?}");
}

#[tokio::test]
async fn last_line_of_a_failing_program_is_the_reason() {
    for (script, detail) in [
        ("echo 'disk is full' >&2; exit 2", "disk is full"),
        (
            "echo WARNING >&2; echo 'CRITICAL - refused'; exit 2",
            "CRITICAL - refused",
        ),
        ("echo begin; printf 'no end' >&2; exit 2", "no end"),
        ("printf 'one\\n\\ntwo \\n \\n'; exit 2", "two"),
        (
            "printf 'a\\033[31mb\\tc\\377\\r\\n'; exit 2",
            "a [31mb c\u{fffd}",
        ),
        ("seq 100000; echo last; exit 2", "last"),
    ] {
        let outcome = run(&["/bin/sh", "-c", script]).await;
        let expected = format!("exit code 2: {detail}");
        assert_outcome(&outcome, ProbeResult::Status, &expected);
    }
    let outcome = run(&["/bin/sh", "-c", "printf %05000d 7; exit 2"]).await;
    assert!(
        outcome.detail.starts_with("exit code 2: 000"),
        "{outcome:?}"
    );
    assert!(outcome.detail.len() < 400, "{outcome:?}");
    assert_outcome(
        &advise("echo 30%; echo 'disk is full' >&2; exit 1").await,
        ProbeResult::Status,
        "exit code 1: disk is full",
    );
    let outcome = run(&["/bin/sh", "-c", "echo no such thing >&2; exit 127"]).await;
    assert_outcome(
        &outcome,
        ProbeResult::Status,
        "exit code 127, as of a program that was not found: no such thing",
    );
}

#[tokio::test]
async fn a_child_in_the_background_that_holds_the_output_delays_nothing() {
    let advised = advise("sleep 1000 & echo 30%").await;
    assert_outcome(&advised, ProbeResult::Ok, "says 30%");
    let failed = run(&["/bin/sh", "-c", "sleep 1000 & echo why; exit 3"]).await;
    assert_outcome(&failed, ProbeResult::Status, "exit code 3: why");
    let closed = advise("exec >&- 2>&-; exit 0").await;
    assert_outcome(&closed, ProbeResult::Ok, "says nothing");
}

#[tokio::test]
async fn all_output_is_taken_and_its_first_line_counts() {
    let outcome = advise("echo 30%; seq 200000; seq 200000 >&2").await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 30%");
    let outcome = advise("printf '\\n'; echo 30%").await;
    assert_outcome(&outcome, ProbeResult::Ok, "says nothing");
}

/// Waits until all of these processes have ended.
async fn all_end(pids: &str) {
    let gone = |pid: &str| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
        // A zombie is one that its parent has not waited for yet.
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let all_gone = async {
        // Not at once: the end of the probe is what has to end them.
        let period = Duration::from_millis(250);
        let first = tokio::time::Instant::from_std(crate::runtime::clock::monotonic()) + period;
        let mut looks = tokio::time::interval_at(first, period);
        while !pids.lines().all(gone) {
            tokio::select! {
                // The kernel's list of children may lack some while others exit
                // (proc(5)): what one look misses, the agent's next one finds.
                _ = looks.tick() => orphans::end_what_is_left(),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    };
    tokio::time::timeout(AMPLE, all_gone).await.unwrap();
}

#[tokio::test]
async fn background_processes_end_with_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = format!("sleep 1000 & echo $! >{0}", pids.display());
    let outcome = run(&["/bin/sh", "-c", &script]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "exit code 0");
    all_end(&std::fs::read_to_string(pids).unwrap()).await;
}

/// Runs a script that leaves some processes behind and then ends so.
async fn leave(number: usize, command: &str, end: &str) -> (Outcome, String) {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    std::fs::write(&pids, "").unwrap();
    let stay = format!("echo $$ >>{}; exec sleep 1000", pids.display());
    let path = directory.path().join("stay");
    std::fs::write(&path, stay).unwrap();
    let command = command.replace("STAY", &format!("sh {}", path.display()));
    let script = format!(
        "i=0; while [ $i -lt {number} ]; do {command}\ni=$((i+1)); done; \
         while [ $(wc -l <{}) -lt {number} ]; do sleep 0.02; done; {end}",
        pids.display()
    );
    let kind = CheckKind::Exec(exec(&["/bin/sh", "-c", &script]));
    let outcome = ask_within(Duration::from_secs(4), target(), kind).await;
    (outcome, std::fs::read_to_string(pids).unwrap())
}

#[tokio::test]
async fn what_left_the_group_or_its_parent_ends_with_the_program() {
    let (passes, fails) = (("exit 0", ProbeResult::Ok), ("exit 3", ProbeResult::Status));
    let late = ("sleep 1000", ProbeResult::Timeout);
    for (command, (end, result)) in [
        ("STAY &", passes),
        ("setsid STAY &", passes),
        ("setsid STAY &", fails),
        ("(setsid STAY &)", passes),
        ("(setsid STAY &)", late),
        ("(env -i /usr/bin/setsid sh -c '(setsid STAY &)' &)", passes),
        ("(env -i /usr/bin/setsid sh -c '(setsid STAY &)' &)", late),
    ] {
        let (outcome, pids) = leave(10, command, end).await;
        assert_eq!(outcome.result, result, "{command} {end}: {outcome:?}");
        assert_eq!(pids.lines().count(), 10, "{command} {end}");
        all_end(&pids).await;
    }
}

#[tokio::test]
async fn a_hundred_that_are_left_behind_end() {
    let (outcome, pids) = leave(100, "(setsid STAY &)", "exit 0").await;
    assert_outcome(&outcome, ProbeResult::Ok, "exit code 0");
    assert_eq!(pids.lines().count(), 100);
    all_end(&pids).await;
}

#[tokio::test]
async fn processes_of_a_running_probe_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let [pid, go] = ["pid", "go"].map(|name| directory.path().join(name));
    let script = format!(
        "(setsid sh -c 'echo $$ >{pid}; exec sleep 1000' &); \
         while ! test -e {go}; do sleep 0.02; done; kill -0 $(cat {pid})",
        pid = pid.display(),
        go = go.display()
    );
    let kind = CheckKind::Exec(exec(&["/bin/sh", "-c", &script]));
    let still_runs = ask_within(AMPLE, target(), kind);
    let meanwhile = async {
        while std::fs::read_to_string(&pid).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (_, others) = leave(5, "(setsid STAY &)", "exit 0").await;
        all_end(&others).await;
        std::fs::write(&go, "").unwrap();
    };
    let (outcome, ()) = tokio::join!(still_runs, meanwhile);
    assert_outcome(&outcome, ProbeResult::Ok, "exit code 0");
    all_end(&std::fs::read_to_string(pid).unwrap()).await;
}

#[tokio::test]
async fn at_the_time_out_what_left_the_group_goes_too() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = format!(
        "setsid sh -c 'echo $$ >>{0}; sleep 1000 & echo $! >>{0}; wait' & wait",
        pids.display()
    );
    let kind = CheckKind::Exec(exec(&["/bin/sh", "-c", &script]));
    let outcome = ask_within(SHORT * 5, target(), kind).await;
    assert_eq!(outcome.result, ProbeResult::Timeout, "{outcome:?}");
    let pids = std::fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    all_end(&pids).await;
}

#[tokio::test]
async fn program_that_cannot_run_says_nothing_of_the_real_server() {
    let directory = tempfile::tempdir().unwrap();
    let script = |name: &str, content: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let no_program = script("no-program", "\0\0\0\0");
    let no_interpreter = script("no-interpreter", "#!/nonexistent/interpreter\n");
    let too_long = "x".repeat(3 << 20);
    for command in [
        ["/nonexistent/check"].as_slice(),
        &["/etc/passwd"],
        &["/etc/passwd/check"],
        &["/"],
        &[&no_program],
        &[&no_interpreter],
        &["/bin/true", &too_long],
    ] {
        let outcome = run(command).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
        assert!(outcome.detail.starts_with("cannot run "), "{outcome:?}");
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
    assert_eq!(outcome.advice, Some(WeightAdvice::Percent(30)));
    assert_outcome(&advise("").await, ProbeResult::Ok, "says nothing");
    assert_outcome(
        &advise("echo 30%; exit 1").await,
        ProbeResult::Status,
        "exit code 1: 30%",
    );
    assert_outcome(&advise("echo down").await, ProbeResult::Status, "says down");
    let endless = ask_within(
        SHORT * 5,
        target(),
        CheckKind::Exec(ExecCheck {
            advice: true,
            ..exec(&["/bin/sh", "-c", "while echo xxxxxxxxxxxxxxxx; do :; done"])
        }),
    );
    assert_eq!(endless.await.result, ProbeResult::Timeout);
}

#[tokio::test]
async fn fix_for_advice_is_on_the_director_where_the_program_runs() {
    let words = ["down", "hello", "-5", "99999999999"];
    let [down, unknown @ ..] = words;
    for word in unknown {
        let outcome = advise(&format!("echo {word}")).await;
        let detail = format!("`{word}` is no advice");
        assert_outcome(&outcome, ProbeResult::Protocol, &detail);
    }
    for (word, part) in words.map(|word| (word, if word == down { "says so" } else { ADVICE })) {
        let fix = advise(&format!("echo {word}")).await.fix.unwrap();
        let fix = fix.for_real_server(target().ip()).to_string();
        assert!(fix.starts_with("on this director, "), "{word}: {fix}");
        assert!(fix.contains(part), "{word}: {fix}");
        assert!(fix.contains(" /bin/sh ...`"), "{word}: {fix}");
    }
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
    all_end(&pids).await;
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
