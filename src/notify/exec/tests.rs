use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::runtime::clock;
use crate::runtime::orphans;

const AMPLE: Duration = Duration::from_secs(30);

async fn shell(script: &str, input: usize) -> Result<(), DeliveryError> {
    let arguments = ["-c".to_owned(), script.to_owned()];
    let run = run("/bin/sh", &arguments, Vec::new(), vec![b'x'; input]);
    timeout(AMPLE, run).await.expect("the program ends")
}

/// More than the pipes hold in both directions, which blocks whoever waits for one of them.
#[tokio::test]
async fn error_of_a_failed_program_has_the_last_line_of_its_standard_error() {
    let script = r"yes | head -c 1000000 >&2; printf '\033[31mno \tway\n\n' >&2; exit 3";
    let error = shell(script, 1_000_000).await.unwrap_err().to_string();
    assert_eq!(error, "the program ended with exit status: 3: [31mno  way");
    let error = shell("head -c 100000 /dev/zero | tr '\\0' a >&2; exit 1", 0).await;
    let error = error.unwrap_err().to_string();
    assert!(error.len() < 1100, "{}", error.len());
    assert!(error.ends_with("aaa"), "{error}");
    shell("echo fine >&2", 0).await.unwrap();
}

/// A program of a session of its own, which writes its number to a file.
fn leaves(directory: &tempfile::TempDir, end: &str) -> (String, PathBuf) {
    let file = directory.path().join("pid");
    let shown = file.display();
    let script = format!(
        "setsid sh -c 'echo $$ > {shown}.new; mv {shown}.new {shown}; exec sleep 1000' \
         </dev/null >/dev/null 2>&1 & until [ -e {shown} ]; do sleep 0.01; done; {end}"
    );
    (script, file)
}

fn is_running(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn child_processes_end_with_an_abandoned_program_and_survive_a_normal_exit() {
    let directory = tempfile::tempdir().unwrap();
    let (script, given_up) = leaves(&directory, "sleep 1000");
    let arguments = ["-c".to_owned(), script];
    {
        let run = run("/bin/sh", &arguments, Vec::new(), Vec::new());
        tokio::pin!(run);
        let limit = clock::monotonic() + AMPLE;
        while !given_up.exists() {
            assert!(clock::monotonic() < limit);
            let _ = timeout(Duration::from_millis(10), &mut run).await;
        }
        assert!(is_running(&given_up));
    }
    let limit = clock::monotonic() + AMPLE;
    while is_running(&given_up) {
        assert!(clock::monotonic() < limit, "it goes on");
        orphans::end_what_is_left();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let other = tempfile::tempdir().unwrap();
    let (script, left) = leaves(&other, "exit 0");
    shell(&script, 0).await.unwrap();
    orphans::end_what_is_left();
    assert!(is_running(&left));
    let pid = std::fs::read_to_string(&left).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
