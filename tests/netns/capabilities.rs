//! What the programs of checks may do: nothing that the agent may by inheritance.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Lan, agent_under, until};
use crate::witness::DEADLINE;

/// The sets of a program of `exec` that are not empty, as it sees them.
fn held(options: &[&str], user: &str, sets: &str) -> String {
    let lan = Lan::new();
    let directory = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), open).unwrap();
    let found = directory.path().join("found");
    let script = format!(
        "id -u >{0}.new; grep -E '^Cap({sets}):' /proc/self/status | grep -v ':.0*$' >>{0}.new; mv {0}.new {0}; exit 0",
        found.display()
    );
    let configuration = format!(
        "virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    check:\n      \
         exec: {{ command: [/bin/sh, -c, {script:?}]{user} }}\n      interval: 200ms\n    \
         real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
    );
    let all = "+net_admin,+net_raw,+setuid,+setgid,+kill,+dac_override";
    let given = [format!("--inh-caps={all}"), format!("--ambient-caps={all}")];
    let mut wrapper = vec!["setpriv", &given[0], &given[1]];
    wrapper.extend(options);
    let arguments = ["--table", "memory"];
    let mut agent = agent_under(&wrapper, &lan.director, &configuration, &arguments);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    // It has them itself.
    let own = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let own = own.lines().find(|line| line.starts_with("CapEff:"));
    assert!(!own.unwrap().ends_with(":\t0000000000000000"), "{own:?}");
    until(DEADLINE, "what the program holds", || {
        fs::read_to_string(&found).map_err(|error| error.to_string())
    })
}

#[test]
fn a_program_inherits_no_capabilities() {
    let id = |user: &str| {
        let output = Command::new("id").args(["-u", user]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let other = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];
    let all = "Inh|Prm|Eff|Amb";
    for (options, user, sets, seen_by) in [
        (other.as_slice(), ", user: daemon", all, "daemon"),
        (&other, "", all, "nobody"),
        (&[], ", user: daemon", all, "daemon"),
        // Root's programs have root's.
        (&[], "", "Inh|Amb", "root"),
    ] {
        assert_eq!(held(options, user, sets), id(seen_by), "{options:?} {user}");
    }
}
