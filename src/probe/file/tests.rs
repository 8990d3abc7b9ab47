use std::fs;

use crate::config::{CheckKind, FileCheck};
use crate::probe::fixture::{ask, assert_outcome};
use crate::probe::{Advice, ProbeResult};

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
    fs::write(&file, "down\n").unwrap();
    assert_outcome(&ask().await, ProbeResult::Status, "says that it is down");

    fs::write(&file, "quarter").unwrap();
    let outcome = ask().await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let outcome = ask().await;
    assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
}
