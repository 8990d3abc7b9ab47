//! What the programs of probes leave behind, also where the agent is the first
//! process of a PID namespace, as in a container.

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

/// The processes of this host with such an argument.
fn with_argument(argument: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| line.split('\0').any(|word| word == argument))
        .count()
}

/// A hundred at each probe, in sessions of their own, whose parents are gone.
fn leave_and_end(wrapper: &[&str], last_digit: u32) {
    // Nobody else on this host sleeps for so many seconds.
    let argument = format!("1{}{last_digit}", std::process::id());
    let lan = Lan::new();
    let directory = tempfile::tempdir().unwrap();
    let flag = directory.path().join("leave");
    // Apart from the flag: those that come late would put that back.
    let begun = directory.path().join("begun");
    for file in [&flag, &begun] {
        fs::write(file, "").unwrap();
    }
    let script = format!(
        "test -e {0} || exit 0; i=0; while [ $i -lt 100 ]; do (env -i /usr/bin/setsid sh -c \
         'sleep {argument} & echo >>{1}' &); i=$((i+1)); done; \
         while [ -e {0} ] && [ $(wc -l <{1}) -lt 100 ]; do sleep 0.02; done; echo >{0}.left; exit 0",
        flag.display(),
        begun.display()
    );
    let configuration = format!(
        "virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    check:\n      \
         exec: {{ command: [/bin/sh, -c, {script:?}] }}\n      interval: 200ms\n      timeout: \
         10s\n    real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
    );
    let arguments = ["--table", "memory"];
    let mut agent = agent_under(wrapper, &lan.director, &configuration, &arguments);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    let outer = agent.pid().to_string();
    let agents = if wrapper.contains(&"--pid") {
        let first = children(&outer);
        let [(first, _)] = first.as_slice() else {
            panic!("{first:?}");
        };
        first.clone()
    } else {
        outer
    };
    let left = directory.path().join("leave.left");
    until(DEADLINE, "a hundred that are left behind", || {
        if left.exists() { Ok(()) } else { Err(()) }
    });
    let descriptors = || fs::read_dir(format!("/proc/{agents}/fd")).unwrap().count();
    let before = descriptors();
    until(DEADLINE, "more than ten rounds", || {
        let _ = fs::remove_file(&left);
        match fs::read_to_string(&begun).unwrap().lines().count() {
            0..1500 => Err(()),
            _ => Ok(()),
        }
    });
    fs::remove_file(&flag).unwrap();
    until(DEADLINE, "nothing that is left behind", || {
        let left = (with_argument(&argument), children(&agents));
        match &left {
            (0, children) if children.len() <= 1 => Ok(()),
            _ => Err(left),
        }
    });
    // One more probe may be on its way.
    assert!(descriptors() <= before + 5, "{before} {}", descriptors());
}

#[test]
fn background_processes_end_with_the_probe() {
    leave_and_end(&["env"], 1);
}

#[test]
fn what_programs_leave_behind_is_waited_for_by_the_first_process() {
    let wrapper = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    leave_and_end(&wrapper, 2);
}
