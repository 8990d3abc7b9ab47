//! Configuration files: where what they include is looked for, and what
//! gigantic broken ones take.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use super::{Ended, Site, end, program};

const CHECK: &str = "interval: 200ms, timeout: 200ms";

/// The most memory that a configuration takes, good or bad, as the manual says.
const MOST_MEMORY_KIB: usize = 512 * 1024;

/// What one of a few hundred KiB takes.
const LITTLE_MEMORY_KIB: usize = 128 * 1024;

/// The most that is written of a bad one.
const MOST_OUTPUT: usize = 128 * 1024;

/// `check-config` of `file` in `directory`, with its standard output.
fn check_in(directory: &Path, file: &str) -> Ended {
    let mut command = program(&["check-config", "--config", file]);
    command.current_dir(directory);
    end(command)
}

#[test]
fn includes_are_found_for_every_spelling_of_the_path() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let here = site.path("here");
    let elsewhere = site.path("elsewhere");
    for directory in [&here, &elsewhere, &here.join("sub.d")] {
        fs::create_dir(directory).unwrap();
    }
    let own = fs::read_to_string(site.configuration()).unwrap();
    let service = |name, vip| {
        let service = site.service(name, vip, CHECK, &[1]);
        format!("virtual_services:\n{service}")
    };
    fs::write(here.join("a.inc"), service("a", 2)).unwrap();
    fs::write(here.join("sub.d/b.inc"), service("b", 3)).unwrap();
    symlink(here.join("cluster.yaml"), here.join("link.yaml")).unwrap();
    symlink("../here", elsewhere.join("there")).unwrap();
    for include in ["*.inc", "a.inc", "./*.inc", "sub.d/*.inc", "sub.d/b.inc"] {
        fs::write(
            here.join("cluster.yaml"),
            format!("include: \"{include}\"\n{own}"),
        )
        .unwrap();
        let absolute = here.join("cluster.yaml").display().to_string();
        for (from, file) in [
            (here.as_path(), "cluster.yaml"),
            (&here, "./cluster.yaml"),
            (&here, "../here/cluster.yaml"),
            (&here, "link.yaml"),
            (&here.join("sub.d"), "../cluster.yaml"),
            (&site.path(""), "here/cluster.yaml"),
            (&elsewhere, "there/cluster.yaml"),
            (Path::new("/"), &absolute),
        ] {
            let ended = check_in(from, file);
            let summary = format!("{file}: valid: 2 virtual services");
            assert!(
                ended.stdout.starts_with(&summary),
                "{include} in {file}: {ended:?}"
            );
            assert!(!ended.stdout.contains("nothing is included"), "{ended:?}");
        }
    }
}

#[test]
fn pattern_without_match_is_a_warning_and_missing_file_is_an_error() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let own = fs::read_to_string(site.configuration()).unwrap();
    let here = site.path("");
    for (include, code, expected) in [
        ("*.inc", 0, "no file fits `*.inc`, so nothing is included"),
        (
            "nowhere.d/*.inc",
            0,
            "the directory of `nowhere.d/*.inc` is not there, so nothing is included",
        ),
        ("a.inc", 2, "`a.inc` cannot be read: No such file"),
    ] {
        let text = format!("include: \"{include}\"\n{own}");
        fs::write(site.path("cluster.yaml"), text).unwrap();
        let ended = check_in(&here, "cluster.yaml");
        assert_eq!(ended.code, code, "{ended:?}");
        let output = ended.stdout + &ended.stderr;
        assert!(output.contains(expected), "{output}");
        assert!(output.contains("cluster.yaml:1:10: "), "{output}");
    }
}

#[test]
fn refuses_at_once_whatever_is_not_a_regular_file() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let own = fs::read_to_string(site.configuration()).unwrap();
    super::fifo(&site.path("fifo"));
    fs::create_dir(site.path("directory")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    for (file, what) in [
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        ("/dev/zero", "a device"),
        ("directory", "irectory"),
    ] {
        let ended = check_in(&site.path(""), file);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(what), "{ended:?}");
        let text = format!("include: \"{file}\"\n{own}");
        fs::write(site.path("cluster.yaml"), text).unwrap();
        let ended = check_in(&site.path(""), "cluster.yaml");
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(what), "{ended:?}");
    }
}

/// `check-config` of `file` with an address space of so much.
fn check_bounded(file: &Path, most_memory_kib: usize) -> Ended {
    let mut command = Command::new("sh");
    let limit = format!("ulimit -v {most_memory_kib} && exec \"$@\"");
    command.args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_lvs-agent")]);
    command.arg("check-config").arg("--config").arg(file);
    end(command)
}

/// A broken configuration, and a part of the message about it.
struct Broken {
    what: &'static str,
    text: String,
    expected: &'static str,
}

impl Broken {
    fn check(&self, directory: &Path, most_memory_kib: usize) {
        let Self {
            what,
            text,
            expected,
        } = self;
        let file = directory.join(what);
        fs::write(&file, text).unwrap();
        let ended = check_bounded(&file, most_memory_kib);
        let shown: String = ended.stderr.chars().take(2000).collect();
        assert_eq!(ended.code, 2, "{what}: {shown}");
        assert!(ended.stderr.contains(expected), "{what}: {shown}");
        let written = ended.stderr.len() + ended.stdout.len();
        assert!(written < MOST_OUTPUT, "{what}: {written} bytes: {shown}");
    }
}

/// So many at a time as there are processors.
fn check_all(broken: Vec<Broken>, most_memory_kib: usize) {
    let directory = tempfile::tempdir().unwrap();
    let next = Mutex::new(broken.into_iter());
    let worker = || {
        loop {
            let Some(case) = next.lock().unwrap().next() else {
                return;
            };
            case.check(directory.path(), most_memory_kib);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().unwrap().get().min(4) {
            scope.spawn(worker);
        }
    });
}

#[test]
fn gigantic_broken_files_take_bounded_memory_and_short_output() {
    const SCALARS: usize = 1_000_100;
    let broken = |what, text, expected| Broken {
        what,
        text,
        expected,
    };
    check_all(
        vec![
            broken(
                "scalars in a flow",
                format!("virtual_services: [{}", "1,".repeat(SCALARS)),
                "more than 1000000 keys and values",
            ),
            broken(
                "scalars in lines",
                format!("virtual_services:\n{}", "- 1\n".repeat(SCALARS)),
                "more than 1000000 keys and values",
            ),
        ],
        MOST_MEMORY_KIB,
    );
}

#[test]
fn large_broken_files_take_little_memory_and_short_output() {
    const LARGE: usize = 256 * 1024;
    let bomb = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |mut text, n| {
        let next = n + 1;
        writeln!(text, "a{next}: &a{next} [*a{n}, *a{n}, *a{n}]").unwrap();
        text
    });
    let unknown = (0..20_000).fold(String::new(), |mut text, n| {
        writeln!(text, "key-{n}: 1").unwrap();
        text
    });
    let services = (0..20_000).fold("virtual_services:\n".to_owned(), |mut text, n| {
        writeln!(text, "  - key-{n}: 1").unwrap();
        text
    });
    let one_line = format!("virtual_services: [{}]", "1, ".repeat(50_000));
    let broken = |what, text, expected| Broken {
        what,
        text,
        expected,
    };
    check_all(
        vec![
            broken("one scalar", "x".repeat(LARGE), "1 problem in"),
            broken("brackets", "[".repeat(LARGE), "nested"),
            broken("braces", "{a: ".repeat(LARGE / 4), "nested"),
            broken(
                "indents",
                (0..1000).map(|n| " ".repeat(n) + "a:\n").collect(),
                "nested",
            ),
            broken("aliases", bomb, "aliases stand for more than 200000 values"),
            broken("anchors", "&a ".repeat(LARGE / 3), " in "),
            broken("tags", "- !!x 1\n".repeat(LARGE / 8), " more in "),
            broken("one line", one_line, "100 problems and 49900 more in"),
            broken("unknown keys", unknown, "100 problems and 19901 more in"),
            broken("services", services, " more in "),
            broken("quotes", "\"".repeat(LARGE), " in "),
            broken("comment", "#".repeat(LARGE), " in "),
            broken("colons", ": ".repeat(LARGE / 2), " in "),
        ],
        LITTLE_MEMORY_KIB,
    );
}

#[test]
fn twenty_thousand_real_servers_are_checked_in_30_mib() {
    let service = |index: usize| {
        let (high, low) = (index / 250, index % 250 + 1);
        let mut real_servers = String::new();
        for number in 0..20 {
            let first = number + 1;
            writeln!(
                real_servers,
                "      - {{ name: rs{number}, address: 10.{first}.{high}.{low}, weight: 1 }}"
            )
            .unwrap();
        }
        format!(
            "  - name: s{index}\n    address: 10.0.{high}.{low}:80\n    real_servers:\n{real_servers}"
        )
    };
    let services: String = (0..1000).map(service).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.yaml");
    fs::write(&file, format!("virtual_services:\n{services}")).unwrap();
    let mut command = Command::new("sh");
    let limit = "ulimit -d 30720 && exec \"$@\"";
    command.args(["-c", limit, "sh", env!("CARGO_BIN_EXE_lvs-agent")]);
    command.arg("check-config").arg("--config").arg(&file);
    let ended = end(command);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
}
