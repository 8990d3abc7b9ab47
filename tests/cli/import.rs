//! `import`: files of other programs in, a configuration and notes out.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect_file;

use super::{Ended, end, program};

/// `import` in the directory of the golden files.
fn import(arguments: &[&str]) -> Command {
    let mut command = program(&["import"]);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/import");
    command.args(arguments).current_dir(directory);
    command
}

/// What `check-config` says of a configuration.
fn checked(yaml: &str) -> Ended {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, yaml).unwrap();
    let mut command = program(&["check-config", "--config"]);
    command.arg(path);
    end(command)
}

/// What comes of a file, with notes on standard error.
fn imported(format: &str, file: &str) -> Ended {
    let ended = end(import(&[format, file]));
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let checked = checked(&ended.stdout);
    assert_eq!(
        (checked.code, &*checked.stderr),
        (0, ""),
        "{}",
        checked.stdout
    );
    ended
}

#[test]
fn large_files_come_out_as_they_did() {
    for (format, file) in [
        ("keepalived", "keepalived.conf"),
        ("ldirectord", "ldirectord.cf"),
        ("ipvsadm", "ipvsadm.rules"),
    ] {
        let ended = imported(format, file);
        expect_file![format!("import/{format}.yaml")].assert_eq(&ended.stdout);
        expect_file![format!("import/{format}.err")].assert_eq(&ended.stderr);
        for line in ended.stderr.lines() {
            let mut parts = line.splitn(3, ':');
            let (place, number) = (parts.next().unwrap(), parts.next().unwrap());
            assert!(
                place.starts_with(file) || place.starts_with("keepalived.d/"),
                "{line}"
            );
            assert!(number.parse::<usize>().is_ok(), "{line}");
        }
    }
}

#[test]
fn password_is_in_no_output() {
    let ended = imported("ldirectord", "ldirectord.cf");
    assert!(!ended.stdout.contains("horse") && !ended.stderr.contains("horse"));
}

#[test]
fn hyphen_is_standard_input() {
    let mut child = import(&["ipvsadm", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 2\n")
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        notes.starts_with("-:1: the real servers have no check"),
        "{notes}"
    );
    let checked = checked(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}

#[test]
fn file_that_cannot_be_read_is_a_failure_and_one_that_says_nothing_is_bad() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(path("unclosed"), "virtual_server 10.1.0.1 80 {\n").unwrap();
    fs::write(path("circle"), "a b\ninclude circle\n").unwrap();
    fs::write(path("directory"), "include /\n\ninclude gone/*\n").unwrap();
    fs::write(path("binary"), b"-A\0").unwrap();
    fs::write(path("empty"), "").unwrap();
    for (format, name, code, expected) in [
        ("keepalived", "missing", 1, "lvs-agent: cannot read "),
        (
            "keepalived",
            "unclosed",
            2,
            "unclosed:1: the block of `virtual_server` is not closed",
        ),
        ("keepalived", "circle", 2, "circle:2: `"),
        (
            "keepalived",
            "directory",
            2,
            "directory:3: `include gone/*` names no file",
        ),
        ("ipvsadm", "binary", 2, "binary: a binary file"),
        (
            "ldirectord",
            "empty",
            2,
            "empty: there is no virtual service",
        ),
    ] {
        let ended = end(import(&[format, &path(name)]));
        assert_eq!(
            (ended.code, &*ended.stdout),
            (code, ""),
            "{name}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains(expected), "{name}: {}", ended.stderr);
    }
}

#[test]
fn ten_megabytes_are_read_or_refused_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large").display().to_string();
    let services = (1..=100_000).map(|mark| {
        let server = |last| format!("-a -f {mark} -r 10.0.0.{last}:0 -g -w 1\n");
        format!("-A -f {mark} -s wlc -p 300\n{}{}", server(1), server(2))
    });
    let table = services.collect::<Vec<_>>().concat();
    assert!(table.len() > 9_000_000, "{}", table.len());
    fs::write(&path, &table).unwrap();
    let ended = end(import(&["ipvsadm", &path]));
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("import the file in parts"),
        "{}",
        ended.stderr
    );
    for text in [
        "virtual_server ".repeat(700_000),
        "{".repeat(10_000_000),
        "\"".repeat(10_000_000),
    ] {
        fs::write(&path, &text).unwrap();
        let ended = end(import(&["keepalived", &path]));
        assert_eq!(ended.code, 2);
        assert!(ended.stderr.len() < 100_000_000 && ended.stderr.contains("large:"));
    }
}

#[test]
fn configuration_of_another_program_is_pointed_to_import() {
    for (format, file) in [
        ("keepalived", "keepalived.conf"),
        ("ldirectord", "ldirectord.cf"),
        ("ipvsadm", "ipvsadm.rules"),
    ] {
        let mut command = program(&["check-config", "--config", file]);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/import"));
        let ended = end(command);
        assert_eq!(ended.code, 2);
        let hint = format!("`lvs-agent import {format} FILE`");
        assert!(ended.stderr.contains(&hint), "{}", ended.stderr);
    }
}
