use expect_test::expect_file;

use super::*;
use crate::snapshot::fixture;

fn pretty(snapshot: &Snapshot) -> String {
    let status: StatusResponse = serde_json::from_slice(&json(snapshot).unwrap()).unwrap();
    serde_json::to_string_pretty(&status).unwrap() + "\n"
}

#[test]
fn the_status_of_a_director() {
    expect_file!["director.json"].assert_eq(&pretty(&fixture::director()));
}

#[test]
fn the_status_of_a_real_server() {
    expect_file!["real_server.json"].assert_eq(&pretty(&fixture::real_server()));
}

#[test]
fn reading_loses_nothing() {
    let json = json(&fixture::director()).unwrap();
    let status: StatusResponse = serde_json::from_slice(&json).unwrap();
    assert_eq!(serde_json::to_vec(&status).unwrap(), json);
}
