//! `man` and `completions`, read by man and by the shells themselves.

use std::fs;
use std::process::{Command, Stdio};

use super::{end, program};

/// The text of a page as man shows it.
fn page(file: &std::path::Path) -> String {
    let output = Command::new("man")
        .args(["--warnings", "-l"])
        .arg(file)
        .env("MANPAGER", "cat")
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {warnings}", file.display());
    assert_eq!(warnings, "", "{}", file.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn man_reads_the_pages_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let ended = end(program(&["man", directory.path().to_str().unwrap()]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        assert!(page(&entry.path()).contains("NAME"), "{names:?}");
    }
    names.sort();
    let help = end(program(&["--help"])).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let mut wanted: Vec<_> = commands
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(|command| format!("lvs-agent-{command}.8"))
        .collect();
    wanted.extend(["lvs-agent.8".to_owned(), "lvs-agent.yaml.5".to_owned()]);
    wanted.sort();
    assert_eq!(names, wanted);

    let text = |name: &str| {
        let text = page(&directory.path().join(name));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let reference = text("lvs-agent.yaml.5");
    for part in [
        "state_dir The directory in which the agent remembers what it owns in the kernel.",
        "Value: an absolute path. Without the key: /var/lib/lvs-agent.",
        "[2001:db8::200]:80",
        "FILES /etc/lvs-agent/config.yaml The configuration",
        "SEE ALSO keepalived.conf(5), ipvsadm(8), lvs-agent(8)",
    ] {
        assert!(reference.contains(part), "{part:?} in {reference}");
    }
    assert!(!reference.contains("](#"), "{reference}");

    for (name, parts) in [
        (
            "lvs-agent.8",
            &[
                "EXIT STATUS 0 The command is done.",
                "1 The command failed.",
                "2 Bad usage",
                "3 plan found changes",
                "ENVIRONMENT LVS_AGENT_CONFIG The configuration file",
                "LVS_AGENT_LOG",
                "FILES /etc/lvs-agent/config.yaml",
                "/run/lvs-agent/control.sock",
                "/var/lib/lvs-agent/drains.json",
                "/var/lib/lvs-agent/director.lock /var/lib/lvs-agent/real_server.lock The locks",
                "SEE ALSO lvs-agent.yaml(5), ip(8), ipvsadm(8), keepalived(8)",
            ][..],
        ),
        (
            "lvs-agent-doctor.8",
            &["3 There is a problem.", "LVS_AGENT_CONFIG", "FILES /etc"],
        ),
        (
            "lvs-agent-status.8",
            &[
                "3 With --exit-code, a real server is down, or a condition is a problem.",
                "[TARGET]",
            ],
        ),
        (
            "lvs-agent-drain.8",
            &["/control.sock", "SEE ALSO", "undrain(8)"],
        ),
    ] {
        let text = text(name);
        for part in parts {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(!text.contains("EXTRA"), "{text}");
    }
    let schema = text("lvs-agent-schema.8");
    assert!(schema.contains("EXIT STATUS 0"), "{schema}");
    for absent in [" 3 ", "LVS_AGENT_CONFIG", "FILES"] {
        assert!(!schema.contains(absent), "{absent:?} in {schema}");
    }
}

/// The pages name every command with `--config`, whose variable they have.
#[test]
fn pages_of_commands_with_a_configuration_have_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    let ended = end(program(&["man", directory.path().to_str().unwrap()]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "8") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let has = |part| text.contains(part);
        if !path.ends_with("lvs-agent.8") {
            let is_configured = has(r"\fB\-\-config\fR");
            assert_eq!(is_configured, has("LVS_AGENT_CONFIG"), "{text}");
            assert_eq!(is_configured, has(".SH FILES"), "{text}");
            let asks_agent = has(r"\fB\-\-socket\fR");
            assert!(!(asks_agent && has("drains.json")), "{text}");
        }
        assert!(
            has(".SH \"EXIT STATUS\"") && has(".SH \"SEE ALSO\""),
            "{text}"
        );
    }
}

#[test]
fn names_a_missing_directory() {
    let ended = end(program(&["man", "/nonexistent/directory"]));
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("`/nonexistent/directory` is no directory: make it"),
        "{}",
        ended.stderr
    );
}

#[test]
fn bash_completes_subcommands_and_options() {
    let script = end(program(&["completions", "bash"]));
    assert_eq!((script.code, &*script.stderr), (0, ""));
    let complete = |words: &str| {
        let line = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             function=$(complete -p lvs-agent); function=${{function#*-F }}; \
             ${{function%% *}} lvs-agent \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.stdout
        );
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("lvs-agent che"), "check-config\n");
    assert_eq!(complete("lvs-agent check-config --ba"), "--base-dir\n");
    assert!(complete("lvs-agent completions ''").contains("\nzsh\n"));
    for command in ["drain", "undrain", "weight", "import", "man"] {
        let offered = complete(&format!("lvs-agent {command} ''"));
        assert!(offered.contains("--help\n"), "{command}: {offered}");
        assert!(!offered.contains('<'), "{command}: {offered}");
    }
}

#[test]
fn man_says_what_to_do_about_a_directory_that_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("man pages");
    let ended = end(program(&["man", missing.to_str().unwrap()]));
    assert_eq!((ended.code, &*ended.stdout), (1, ""));
    let fix = format!(
        "is no directory: make it (`mkdir -p '{}'`)",
        missing.display()
    );
    assert!(ended.stderr.contains(&fix), "{}", ended.stderr);
}
