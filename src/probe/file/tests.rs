use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::time::timeout;

use super::*;

use crate::config::{Check, CheckKind};
use crate::probe::fixture::{AMPLE, SHORT, ask, assert_outcome};
use crate::probe::{ProbeResult, Prober};
use crate::snapshot::fixture;

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
    assert_eq!(outcome.advice, Some(Advice::Ready));
    fs::write(&file, "25%\n").unwrap();
    let outcome = ask().await;
    assert_outcome(&outcome, ProbeResult::Ok, "says 25%");
    assert_eq!(outcome.advice, Some(Advice::Percent(25)));
    fs::write(&file, "\n").unwrap();
    assert_eq!(ask().await.advice, Some(Advice::Ready));
    fs::write(&file, "\r\n \n\n40\nignored\n").unwrap();
    assert_outcome(&ask().await, ProbeResult::Ok, "says weight 40");
    fs::write(&file, "down\n").unwrap();
    assert_outcome(&ask().await, ProbeResult::Status, "says down");

    fs::write(&file, "quarter").unwrap();
    let outcome = ask().await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let outcome = ask().await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
}

#[tokio::test]
async fn a_fifo_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let path = path.display().to_string();
    let kind = CheckKind::File(FileCheck { path: path.clone() });
    let outcome = ask("192.0.2.7:80".parse().unwrap(), kind).await;
    let said = format!("cannot read {path}: this is a FIFO, not a regular file");
    assert_outcome(&outcome, ProbeResult::Internal, &said);
}

#[tokio::test]
async fn a_file_that_hangs_has_one_thread_and_hurts_no_other() {
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
    let path = directory.path().join("192.0.2.7").display().to_string();
    let reads = prober.reads();
    let (release, held) = mpsc::channel();
    let hangs = move |_: &Path| {
        let _ = held.recv();
        Ok(Vec::new())
    };
    let given_up = timeout(SHORT, reads.read(&path, hangs)).await;
    assert!(given_up.is_err(), "{given_up:?}");

    for _ in 0..3 {
        let outcome = prober.probe(stuck, &check(SHORT)).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
        let said = format!("cannot read {path} in time");
        assert!(outcome.detail.starts_with(&said), "{outcome:?}");
        assert_eq!(reads.room.available_permits(), READS - 1, "one thread");
    }
    let outcome = prober.probe(well, &check(AMPLE)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "no file");
    assert_eq!(lock(&reads.turns).len(), 1, "what has ended is forgotten");

    release.send(()).unwrap();
    let outcome = prober.probe(stuck, &check(AMPLE)).await;
    assert_outcome(&outcome, ProbeResult::Ok, "no file");
}

#[tokio::test]
async fn only_so_many_files_are_read_at_a_time() {
    let reads = FileReads::new();
    let all = u32::try_from(READS).unwrap();
    let busy = reads.room.acquire_many(all).await.unwrap();
    let given_up = timeout(SHORT, reads.read("/nonexistent", start_of)).await;
    assert!(given_up.is_err(), "there is no room");
    drop(busy);
    let error = reads.read("/nonexistent", start_of).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(lock(&reads.turns).is_empty());
}
