use std::process::Command;

use super::*;

#[test]
fn only_own_children_that_have_ended_are_found() {
    let stat = |state, parent| {
        format!("7 (a) b) {state} {parent} 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0 0")
    };
    let found = ended_child(7, &stat("Z", 1), 1);
    let started = 4711;
    assert_eq!(found, Some(Child { pid: 7, started }));
    assert_eq!(ended_child(7, &stat("S", 1), 1), None);
    assert_eq!(ended_child(7, &stat("Z", 2), 1), None);
    assert_eq!(ended_child(7, "7 (a", 1), None);

    let mut child = Command::new("/bin/true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let there = || {
        let ended = ended_children(std::process::id());
        ended.iter().any(|child| child.pid == pid)
    };
    while !there() {
        std::thread::yield_now();
    }
    child.wait().unwrap();
    assert!(!there());
}
