//! Arguments: what is there, and what is said about what is not.

use std::fs;

use expect_test::expect_file;

use super::{end, program};

#[test]
fn help_is_as_expected() {
    let commands = [
        "run",
        "check-config",
        "import",
        "plan",
        "status",
        "drain",
        "weight",
        "cleanup",
        "doctor",
    ];
    for command in commands {
        let ended = end(program(&[command, "--help"]));
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{command}");
        let file = format!("help/{command}.out");
        expect_file![file].assert_eq(&ended.stdout);
    }
    let ended = end(program(&["--help"]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    expect_file!["help/lvs-agent.out"].assert_eq(&ended.stdout);
    for command in commands {
        assert!(ended.stdout.contains(&format!("\n  {command} ")));
    }
    for code in [
        "0 done",
        "1 failed",
        "2 bad usage",
        "3 plan found",
        "status --exit-code",
    ] {
        assert!(ended.stdout.contains(code), "{code}");
    }
}

#[test]
fn the_version_is_on_standard_output() {
    let ended = end(program(&["--version"]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(ended.stdout, format!("lvs-agent {version}\n"));
}

/// A full disk behind standard output is an error of every command, and a closed pipe is none.
#[test]
fn standard_output_that_takes_nothing_is_an_error() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help"],
        &["help", "run"],
        &["run", "--help"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["schema"],
    ] {
        let mut command = program(arguments);
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        let expected = "lvs-agent: cannot write";
        assert!(stderr.starts_with(expected), "{arguments:?}: {stderr}");
        assert!(stderr.contains("No space left on device"), "{stderr}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = program(arguments);
        let output = command.stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), &*stderr),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn missing_arguments_are_a_usage_error_with_help() {
    let ended = end(program(&[]));
    assert_eq!((ended.code, &*ended.stdout), (2, ""));
    assert!(ended.stderr.contains("Usage: lvs-agent <COMMAND>"));
    assert!(ended.stderr.contains("check-config"));
    assert!(ended.stderr.contains("Exit codes:"));
}

#[test]
fn unknown_target_is_named_with_a_suggestion() {
    for (arguments, named, meant) in [
        (&["runn"][..], "unrecognized subcommand 'runn'", "'run'"),
        (&["chek-config"], "'chek-config'", "'check-config'"),
        (&["run", "--tabel"], "argument '--tabel'", "'--table'"),
        (&["run", "--table", "memry"], "'memry'", "'memory'"),
        (&["run", "--log-format", "jsn"], "'jsn'", "'json'"),
        (&["plan", "--jsn"], "'--jsn'", "'--json'"),
        (&["import", "keepalive", "f"], "'keepalive'", "'keepalived'"),
        (&["reload", "extra"], "argument 'extra'", "--help"),
        (&["status", "web/"], "'web/'", "a virtual service"),
        (&["run", "--config"], "'--config <FILE>'", "--help"),
    ] {
        let ended = end(program(arguments));
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{arguments:?}");
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(named), "{}", ended.stderr);
        assert!(ended.stderr.contains(meant), "{}", ended.stderr);
    }
}

#[test]
fn option_config_overrides_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = ["one.yaml", "other.yaml"].map(|name| {
        let path = directory.path().join(name);
        fs::write(&path, "virtual_services: 1\n").unwrap();
        path
    });
    let mut command = program(&["check-config"]);
    let ended = end({
        command.env("LVS_AGENT_CONFIG", &one);
        command
    });
    assert_eq!(ended.code, 2);
    let place = format!("{}:1:19: ", one.display());
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);

    let mut command = program(&["check-config", "--config"]);
    command.arg(&other).env("LVS_AGENT_CONFIG", &one);
    let ended = end(command);
    let place = format!("{}:1:19: ", other.display());
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    assert!(!ended.stderr.contains("one.yaml"), "{}", ended.stderr);
}

#[test]
fn empty_variable_counts_as_unset() {
    for (arguments, wanted) in [
        (
            &["check-config", "--base-dir", "/nonexistent"][..],
            "/nonexistent: ",
        ),
        (
            &["status", "--socket", "/nonexistent/socket"],
            "/nonexistent/socket",
        ),
    ] {
        let mut command = program(arguments);
        command.env("LVS_AGENT_CONFIG", "");
        let ended = end(command);
        assert!(ended.stderr.contains(wanted), "{}", ended.stderr);
        assert!(!ended.stderr.contains("--config"), "{}", ended.stderr);
    }
}
