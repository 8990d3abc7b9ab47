//! `check-config`, and what `run` makes of the same files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Ended, Site, end, fifo, program};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

#[test]
fn a_valid_file_is_summed_up() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let ended = end(site.command("check-config", &[]));
    let path = site.configuration();
    let summary = format!(
        "{}: valid: 1 virtual service, 2 real servers",
        path.display()
    );
    // A warning follows: the real servers have a port for checks alone.
    let first = ended.stdout.lines().next();
    assert_eq!(
        (ended.code, first, &*ended.stderr),
        (0, Some(&*summary), "")
    );
}

#[test]
fn unlikely_configuration_is_a_warning() {
    let site = Site::new();
    site.configure(
        "  - name: web\n    address: 192.0.2.1:80\n    check: { agent: {} }\n    \
         real_servers: [{ name: rs1, address: 192.0.2.21 }]\n",
    );
    let ended = end(site.command("check-config", &[]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let place = format!("{}:", site.configuration().display());
    let mut lines = ended.stdout.lines().skip(1);
    let line = lines.next().and_then(|line| line.strip_prefix(&place));
    let (_, warning) = line.and_then(|line| line.split_once(": ")).unwrap();
    assert!(
        warning.starts_with("warning: the check `agent` of `web` asks on port 9477"),
        "{}",
        ended.stdout
    );
}

#[test]
fn warnings_are_printed_together_with_errors() {
    let site = Site::new();
    site.configure(
        "  - name: web\n    address: 192.0.2.1:80\n    schedulerr: rr\n    \
         check: { http: { path: \"/{address}\" } }\n    \
         real_servers: [{ name: rs1, address: 192.0.2.21 }]\n",
    );
    let ended = end(site.command("check-config", &[]));
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("`schedulerr`"), "{}", ended.stderr);
    let warning = "warning: `{address}` stays as it is here";
    assert!(ended.stdout.contains(warning), "{}", ended.stdout);
}

#[test]
fn all_problems_are_reported_at_once() {
    let site = Site::new();
    let check = "intervall: 1s, rise: 0, fall: -1";
    let mut services = site.service("web", 1, check, &[1, 1]);
    services.push_str("  - { name: nobody, real_servers: [] }\n");
    site.configure(&services);
    let ended = end(site.command("check-config", &[]));
    assert_eq!((ended.code, &*ended.stdout), (2, ""));
    for problem in ["intervall", "interval`", "rise", "fall", "rs1", "nobody"] {
        assert!(
            ended.stderr.contains(problem),
            "{problem}: {}",
            ended.stderr
        );
    }
    let place = format!("{}:", site.configuration().display());
    // Editors look for FILE:LINE:COL where a line starts.
    assert!(ended.stderr.starts_with(&place), "{}", ended.stderr);
    let problems = ended.stderr.matches(&place).count();
    let last = ended.stderr.lines().last().unwrap();
    assert!(problems >= 5, "{}", ended.stderr);
    assert_eq!(
        last,
        format!("{problems} problems in {}", site.configuration().display())
    );
}

#[test]
fn closed_pipe_on_standard_output_is_not_an_error() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    for mut command in [
        site.command("check-config", &[]),
        program(&["--help"]),
        program(&["--version"]),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

/// What is handed over on purpose is read, whatever it is.
#[test]
fn standard_input_may_be_the_file() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let text = fs::read(site.configuration()).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&text).unwrap();
    drop(writer);
    let mut command = program(&["check-config", "--config", "/dev/stdin"]);
    let output = command.stdin(reader).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// As Ansible's `validate:` has it: the new file lies elsewhere than the files
/// that it includes.
#[test]
fn included_files_are_found_from_the_base_directory() {
    let site = Site::new();
    fs::create_dir(site.path("conf.d")).unwrap();
    fs::write(
        site.path("conf.d/web.yaml"),
        format!("virtual_services:\n{}", site.service("web", 1, CHECK, &[1])),
    )
    .unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let new = elsewhere.path().join("new.yaml");
    fs::write(&new, "include: conf.d/*.yaml\n").unwrap();
    let base_dir = site.path("");
    let check = |configuration: &str, base_dir: &[&str]| {
        let mut arguments = vec!["check-config", "-c", configuration];
        arguments.extend(base_dir);
        let mut command = program(&arguments);
        command.stdin(fs::File::open(&new).unwrap());
        command.output().unwrap()
    };
    let with = ["--base-dir", base_dir.to_str().unwrap()];
    for configuration in [new.to_str().unwrap(), "-"] {
        let output = check(configuration, &with);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let output_text = String::from_utf8_lossy(&output.stdout);
        let summary = format!("{configuration}: valid: 1 virtual service, 1 real server\n");
        assert!(output_text.starts_with(&summary), "{output_text}");
    }
    let output = check(new.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output_text.contains("nothing is included"), "{output_text}");
}

#[test]
fn refuses_base_directory_that_is_not_a_directory() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let configuration = site.configuration();
    for (base_dir, expected) in [
        (site.path("absent"), "there is no such directory"),
        (configuration.clone(), "this is not a directory"),
        (configuration.join("below"), "there is no such directory"),
    ] {
        let base_dir = base_dir.to_str().unwrap();
        let ended = end(site.command("check-config", &["--base-dir", base_dir]));
        assert_eq!((ended.code, &*ended.stdout), (2, ""), "{}", ended.stderr);
        let first = format!("{base_dir}: {expected}");
        assert!(ended.stderr.starts_with(&first), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("hint: give --base-dir"),
            "{}",
            ended.stderr
        );

        let ended = end(site.command("check-config", &["--json", "--base-dir", base_dir]));
        assert_eq!((ended.code, &*ended.stderr), (2, ""));
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["problems"][0]["file"], base_dir);
    }
}

#[test]
fn hint_names_the_directory_where_the_path_of_include_starts() {
    let site = Site::new();
    let configuration = site.path("main.yaml");
    fs::write(&configuration, "include: absent.yaml\n").unwrap();
    let base = tempfile::tempdir().unwrap();
    let base = base.path().to_str().unwrap();
    let in_base = format!("starts in `{base}`");
    for (file, options, start) in [
        (
            configuration.to_str().unwrap(),
            &[][..],
            "starts where this file is",
        ),
        (
            configuration.to_str().unwrap(),
            &["--base-dir", base],
            &in_base,
        ),
        ("-", &["--base-dir", base], &in_base),
        ("-", &[], "starts in the working directory"),
    ] {
        let mut command = program(&["check-config", "-c", file]);
        command.stdin(fs::File::open(&configuration).unwrap());
        let output = command.args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let output_text = String::from_utf8_lossy(&output.stderr);
        assert!(output_text.contains(start), "{output_text}");
    }
}

#[test]
fn json_has_every_problem_and_warning_with_its_line() {
    let site = Site::new();
    let broken = format!(
        "{}  - name: web\n    adress: 192.0.2.9:80\n    scheduler: wlcc\n",
        site.service("web", 1, CHECK, &[1])
    );
    site.configure(&broken);
    let ended = end(site.command("check-config", &["--json"]));
    assert_eq!((ended.code, &*ended.stderr), (2, ""));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["valid"], false);
    assert_eq!(document["more_problems"], 0);
    let problems = document["problems"].as_array().unwrap();
    let misspelt = problems.iter().find(|problem| {
        let message = problem["message"].as_str().unwrap();
        message.contains("`adress`")
    });
    let misspelt = misspelt.unwrap_or_else(|| panic!("{document:#}"));
    let lines = fs::read_to_string(site.configuration()).unwrap();
    let line = lines
        .lines()
        .position(|line| line.contains("adress"))
        .unwrap();
    assert_eq!(misspelt["line"], line + 1);
    assert_eq!(misspelt["column"], 5);
    assert_eq!(misspelt["file"], site.configuration().to_str().unwrap());

    site.configure(&site.service("web", 1, CHECK, &[1]));
    let ended = end(site.command("check-config", &["--json"]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["valid"], true);
    assert_eq!(document["summary"], "1 virtual service, 1 real server");
    assert_eq!(document["problems"], json!([]));
}

/// Files that cannot be a configuration, and what is said of each.
fn hopeless(site: &Site) -> Vec<(PathBuf, &'static str)> {
    let with = |name: &str, bytes: &[u8]| {
        fs::write(site.path(name), bytes).unwrap();
        site.path(name)
    };
    symlink(site.path("nowhere"), site.path("dangling")).unwrap();
    symlink(site.path("loop"), site.path("loop")).unwrap();
    fifo(&site.path("fifo"));
    vec![
        (site.path("absent"), "there is no such file"),
        (site.path("dangling"), "there is no such file"),
        (site.path("loop"), "cannot be read"),
        (site.path(""), "this is a directory"),
        (site.path("fifo"), "this is a FIFO, not a regular file"),
        (with("empty", b""), "the file is empty"),
        (with("comment", b"# later\n\n"), "the file is empty"),
        (with("binary", b"\x7fELF\x02\x01\x01\0\0\0"), "binary file"),
        (
            with("noise", b"\n\xff\xfe\xfd"),
            "not UTF-8 text, from line 2",
        ),
    ]
}

#[test]
fn path_that_is_not_a_regular_file_is_explained_and_run_changes_nothing() {
    let site = Site::new();
    for (path, expected) in hopeless(&site) {
        let path = path.to_str().unwrap();
        for arguments in [
            &["check-config", "--config", path][..],
            &["run", "--table", "memory", "--config", path],
            &["plan", "--config", path],
            &["cleanup", "--config", path],
            &["doctor", "--config", path],
            &["status", "--config", path],
        ] {
            let Ended {
                code,
                stdout,
                stderr,
            } = end(program(arguments));
            assert_eq!((code, &*stdout), (2, ""), "{arguments:?}: {stderr}");
            assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
            assert!(stderr.contains("hint: "), "{arguments:?}: {stderr}");
        }
    }
}

#[test]
fn run_with_a_broken_file_changes_nothing() {
    let site = Site::new();
    site.configure(&site.service("web", 1, "rise: 0", &[1]));
    let ended = end(site.run());
    assert_eq!((ended.code, &*ended.stdout), (2, ""));
    assert!(ended.stderr.contains("rise"), "{}", ended.stderr);
    assert!(!site.socket().exists());
    assert!(!site.path("state").exists());
}
