use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::time::timeout;

use super::*;
use crate::config::{Check, CheckKind};
use crate::model::ProbeResult;
use crate::probe::Prober;
use crate::probe::fixture::{AMPLE, SHORT, ask, assert_outcome};
use crate::status::fixture;

#[tokio::test]
async fn the_file_of_a_real_server_advises() {
    let directory = tempfile::tempdir().unwrap();
    let kind = CheckKind::File(FileCheck {
        path: format!("{}/{{address}}-{{port}}", directory.path().display()),
    });
    let file = directory.path().join("192.0.2.7-80");
    let target = "192.0.2.7:80".parse().unwrap();
    let ask = || ask(target, kind.clone());

    let outcome = ask().await;
    assert_outcome(&outcome, ProbeResult::Ok, "no file");
    assert_eq!(outcome.advice, Some(WeightAdvice::Ready));
    fs::write(&file, "25%\n").unwrap();
    let outcome = ask().await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 25%");
    assert_eq!(outcome.advice, Some(WeightAdvice::Percent(25)));
    fs::write(&file, "\n").unwrap();
    assert_eq!(ask().await.advice, Some(WeightAdvice::Ready));
    fs::write(&file, "\r\n \n\n40\nignored\n").unwrap();
    assert_outcome(&ask().await, ProbeResult::Ok, "says weight 40");
    fs::write(&file, "down\n").unwrap();
    let outcome = ask().await;
    assert_outcome(&outcome, ProbeResult::Status, "says down");
    let fix = outcome
        .fix
        .unwrap()
        .for_real_server(target.ip())
        .to_string();
    let expected = format!(
        "on this director, see who has written so into {}",
        file.display()
    );
    assert!(fix.starts_with(&expected), "{fix}");

    fs::write(&file, "quarter").unwrap();
    let outcome = ask().await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let outcome = ask().await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
}

/// A user who may write the file, and may not read what the agent may, sees no more by a link.
#[tokio::test]
async fn what_a_link_leads_to_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("token");
    let link = directory.path().join("weight");
    fs::write(&secret, "s3cret of the agent\n").unwrap();
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    let path = link.display().to_string();
    let kind = CheckKind::File(FileCheck { path: path.clone() });
    let outcome = ask("192.0.2.7:80".parse().unwrap(), kind.clone()).await;
    let expected = format!("what {path} has is no advice");
    assert_outcome(&outcome, ProbeResult::Internal, &expected);
    let fix = format!("{:?}", outcome.fix.unwrap());
    assert!(fix.contains("write one of `up`, `down`"), "{fix}");
    assert!(!fix.contains("s3cret"), "{fix}");
    // A link to advice is followed.
    fs::write(&secret, "30%\n").unwrap();
    let outcome = ask("192.0.2.7:80".parse().unwrap(), kind).await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 30%");
}

#[tokio::test]
async fn a_fifo_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let path = path.display().to_string();
    let kind = CheckKind::File(FileCheck { path: path.clone() });
    let outcome = ask("192.0.2.7:80".parse().unwrap(), kind).await;
    let expected = format!("cannot read {path}: this is a FIFO, not a regular file");
    assert_outcome(&outcome, ProbeResult::Internal, &expected);
}

#[tokio::test]
async fn refuses_a_path_that_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, what) in [
        (socket.display().to_string(), "this is a socket"),
        ("/dev/zero".to_owned(), "this is a device"),
    ] {
        let kind = CheckKind::File(FileCheck { path: path.clone() });
        let outcome = ask("192.0.2.7:80".parse().unwrap(), kind).await;
        let expected = format!("cannot read {path}: {what}, not a regular file");
        assert_outcome(&outcome, ProbeResult::Internal, &expected);
    }
}

#[tokio::test]
async fn a_file_that_hangs_is_this_hosts_trouble_and_hurts_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let check = |timeout| Check {
        timeout,
        ..fixture::check(CheckKind::File(FileCheck {
            path: format!("{}/{{address}}", directory.path().display()),
        }))
    };
    let prober = Prober::new();
    let [stuck, well]: [SocketAddr; 2] =
        ["192.0.2.7:80", "192.0.2.8:80"].map(|target| target.parse().unwrap());
    let path = directory.path().join("192.0.2.7");
    let (release, held) = mpsc::channel::<()>();
    let hangs = move || held.recv().is_ok();
    let deadline = tokio::time::Instant::from_std(crate::runtime::clock::monotonic()) + SHORT;
    let given_up = file_work::run(FileUse::Checks, &path, deadline, hangs).await;
    assert!(given_up.is_err(), "{given_up:?}");

    for _ in 0..3 {
        let outcome = prober.probe(stuck, &check(SHORT)).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
        let expected = format!("cannot read {} in time", path.display());
        assert!(outcome.detail.starts_with(&expected), "{outcome:?}");
    }
    let outcome = prober.probe(well, &check(AMPLE)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "no file");

    release.send(()).unwrap();
    let again = async {
        while prober.probe(stuck, &check(AMPLE)).await.result != ProbeResult::Ok {
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, again).await.unwrap();
}
