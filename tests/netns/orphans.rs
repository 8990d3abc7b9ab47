//! The agent as the first process of a PID namespace, as in a container.

use std::fs;

use crate::support::{Lan, agent_under, until};
use crate::witness::DEADLINE;

/// The children of a process, as the kernel of this host numbers them, with
/// their states.
fn children(parent: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.rsplit_once(") ")?;
            let mut fields = rest.split(' ');
            let state = fields.next()?.to_owned();
            let pid = entry.file_name().into_string().ok()?;
            (fields.next() == Some(parent)).then_some((pid, state))
        })
        .collect()
}

#[test]
fn what_programs_leave_behind_is_waited_for_by_the_first_process() {
    let lan = Lan::new();
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("leave");
    fs::write(&flag, "").unwrap();
    // The child is in a session of its own, and its parent ends before it.
    let script = format!(
        "test ! -e {} || setsid sh -c 'sleep 0.2 & exit 0'",
        flag.display()
    );
    let configuration = format!(
        "virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    check:\n      \
         exec: {{ command: [/bin/sh, -c, \"{script}\"] }}\n      interval: 100ms\n    \
         real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
    );
    let wrapper = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let arguments = ["--table", "memory"];
    let mut agent = agent_under(&wrapper, &lan.director, &configuration, &arguments);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    let outer = agent.pid().to_string();
    let first = children(&outer);
    let [(first, _)] = first.as_slice() else {
        panic!("{first:?}");
    };
    let dead = || {
        let children = children(first);
        children.iter().filter(|(_, state)| state == "Z").count()
    };
    until(DEADLINE, "an orphan that has ended", || {
        if dead() > 0 { Ok(()) } else { Err(0) }
    });
    fs::remove_file(flag).unwrap();
    until(DEADLINE, "no orphan that has ended", || match dead() {
        0 => Ok(()),
        more => Err(more),
    });
}
