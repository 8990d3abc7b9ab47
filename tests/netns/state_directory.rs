//! One `state_dir` for two agents, and what a killed agent leaves there.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Lan, Site};
use crate::witness::{DEADLINE, configuration, drift, finish, of_real_server, start};

#[test]
fn second_agent_with_the_same_state_directory_in_another_namespace_is_refused() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let mut first = start(&site, &lan.rs1);
    let remembered = || fs::read_to_string(site.state_directory().join("real_server.json"));
    let before = remembered().unwrap();

    // The socket is the first one's as well, by the same file.
    let text = fs::read_to_string(site.directory().join("config.yaml")).unwrap();
    let other = site.directory().join("other.yaml");
    fs::write(&other, text.replace("control.sock", "other.sock")).unwrap();
    let run = |subcommand: &str| {
        let mut command = std::process::Command::new(crate::support::PROGRAM);
        command
            .arg(subcommand)
            .arg("--real-server")
            .arg("--config")
            .arg(&other);
        finish(&lan.rs2, command)
    };
    for subcommand in ["run", "cleanup"] {
        let refused = run(subcommand);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let reported = [
            format!("(process {})", first.pid()),
            format!("`{}`", site.state_directory().display()),
            "a `state_dir` of its own".to_owned(),
        ];
        for reported in reported {
            assert!(
                refused.stderr.contains(&reported),
                "{reported}: {}",
                refused.stderr
            );
        }
    }
    assert_eq!(remembered().unwrap(), before);

    first.signal(Signal::SIGKILL);
    first.wait(DEADLINE);
    let done = run("cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn unfinished_file_of_killed_agent_is_removed_at_start() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let directory = site.state_directory();
    fs::create_dir_all(&directory).unwrap();
    let unfinished = directory.join(".real_server.json.a1B2c3.tmp");
    let others = directory.join(".real_server.json.swp");
    for file in [&unfinished, &others] {
        fs::write(file, "{").unwrap();
    }
    let _agent = start(&site, &lan.rs1);
    assert!(!unfinished.exists());
    assert!(others.exists());
}

#[test]
fn state_of_newer_program_is_refused_by_every_command_and_left_as_it_is() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let directory = site.state_directory();
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("real_server.json");
    let newer = r#"{"version":2,"all":"different"}"#;
    fs::write(&file, newer).unwrap();
    for subcommand in ["run", "plan", "doctor", "cleanup"] {
        let refused = of_real_server(&site, &lan.rs1, subcommand);
        assert_eq!(refused.code, Some(1), "{subcommand}: {refused:?}");
        let expected = format!(
            "`{}` has version 2, which a newer lvs-agent wrote",
            file.display()
        );
        assert!(
            refused.stderr.contains(&expected),
            "{subcommand}: {}",
            refused.stderr
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), newer, "{subcommand}");
    }
}

/// What `run` does with damaged files of a director is in `tests/cli/damaged_state.rs`.
#[test]
fn damaged_file_of_a_real_server_is_set_aside_by_run_and_only_reported_by_other_commands() {
    let lan = Lan::new();
    let site = Site::new(&configuration(""));
    let directory = site.state_directory();
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("real_server.json");
    let aside = directory.join("real_server.json.damaged");
    let whole = r#"{"version":1,"services":[],"addresses":[],"sysctls":{}}"#;
    let kinds: [(&str, Vec<u8>); 5] = [
        ("it is empty", Vec::new()),
        ("EOF while parsing", whole.as_bytes()[..20].into()),
        ("expected value", vec![0; 100]),
        ("invalid type", br#"{"version":1,"services":7}"#.into()),
        ("it is larger than 64 MiB", vec![b' '; 64 * 1024 * 1024 + 1]),
    ];
    for (cause, text) in kinds {
        fs::write(&file, &text).unwrap();
        for subcommand in ["plan", "doctor"] {
            let ended = of_real_server(&site, &lan.rs1, subcommand);
            let damage = format!("`{}` is damaged ({cause}", file.display());
            assert!(ended.stdout.contains(&damage), "{subcommand}: {ended:?}");
            assert!(fs::read(&file).unwrap() == text, "{subcommand}, {cause}");
            assert!(!aside.exists(), "{subcommand}");
        }
        let mut agent = start(&site, &lan.rs1);
        assert!(fs::read(&aside).unwrap() == text, "{cause}");
        let written = fs::read_to_string(&file).unwrap();
        assert!(written.contains("192.168.11.200"), "{written}");
        let output = agent.output();
        let lines = output
            .lines()
            .filter(|line| line.contains("state file damaged"));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), 1, "{output}");
        assert!(
            lines[0].contains("WARN") && lines[0].contains(cause),
            "{output}"
        );
        agent.signal(Signal::SIGKILL);
        agent.wait(DEADLINE);

        fs::write(&file, "again").unwrap();
        let done = of_real_server(&site, &lan.rs1, "cleanup");
        assert_eq!(done.code, Some(0), "{done:?}");
        let second = directory.join("real_server.json.damaged.1");
        assert!(done.stdout.contains(second.to_str().unwrap()), "{done:?}");
        assert_eq!(fs::read_to_string(&second).unwrap(), "again");
        assert!(fs::read(&aside).unwrap() == text, "{cause}");
        for file in [&aside, &second] {
            fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn stricter_arp_sysctl_of_the_administrator_stays() {
    const KEY: &str = "net.ipv4.conf.all.arp_ignore";
    let lan = Lan::new();
    lan.rs1.run(&format!("sysctl -q -w {KEY}=2"));
    let value = || lan.rs1.run(&format!("sysctl -n {KEY}")).trim().to_owned();
    let site = Site::new(&configuration(""));
    let mut agent = start(&site, &lan.rs1);
    assert_eq!(value(), "2");
    let ok = format!("lvs_sysctl_ok{{key=\"{KEY}\"}}");
    assert_eq!(crate::witness::metric(&lan.rs1, &ok), Some(1));
    assert_eq!(drift(&lan.rs1, "sysctl_changed"), 0);
    agent.signal(Signal::SIGTERM);
    agent.wait(DEADLINE);
    let done = of_real_server(&site, &lan.rs1, "cleanup");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(value(), "2");
}
