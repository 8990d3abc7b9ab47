use std::fs;
use std::path::Path;

use super::*;

#[track_caller]
fn assert_refused(text: &str, expected: &str) {
    let problem = parse(text).expect_err(text);
    assert_eq!(problem, expected, "{text}");
}

#[test]
fn levels_crates_and_folders_are_accepted() {
    for text in [
        "info",
        "INFO",
        "Warn",
        "off",
        "3",
        "info,lvs_agent=debug",
        " info , lvs_agent=debug ,",
        "warn,lvs_agent::health::core=trace",
        "lvs_agent",
        "lvs_agent::probe",
        "info,neli=warn,hyper_util=trace",
        "info,lvs_agent[check]=debug",
        "info,[check{service=web}]=debug",
    ] {
        assert_eq!(parse(text).err(), None, "{text}");
    }
}

#[test]
fn misspelt_level_is_refused_with_the_levels_and_the_nearest() {
    assert_refused(
        "loud",
        "`loud` is neither a level (off, error, warn, info, debug, trace) nor a part of the program",
    );
    let expected = "`inof` is neither a level (off, error, warn, info, debug, trace) nor a part of \
                    the program: did you mean `info`?";
    assert_refused("inof", expected);
    assert_refused("lvs_agent=debug,inof", expected);
    assert_refused(
        "lvs_agent=loud",
        "`loud` in `lvs_agent=loud` is not a level (off, error, warn, info, debug, trace)",
    );
    assert_refused(
        "lvs_agent=DEBGU",
        "`DEBGU` in `lvs_agent=DEBGU` is not a level (off, error, warn, info, debug, trace): did \
         you mean `debug`?",
    );
    for text in [
        "info,loud",
        "6",
        "-1",
        "info debug",
        "lvs_agent=",
        "lvs_agent=info=debug",
        "=",
        "=debug",
        "info;debug",
        "\u{fffd}",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn misspelt_target_is_refused_with_the_nearest() {
    assert_refused(
        "lvs-agent",
        "`lvs-agent` is neither a level (off, error, warn, info, debug, trace) nor a part of the \
         program: did you mean `lvs_agent`?",
    );
    assert_refused(
        "foo=bar=baz",
        "`bar=baz` in `foo=bar=baz` is not a level (off, error, warn, info, debug, trace)",
    );
    assert_refused(
        "lvs_agnet=debug",
        "`lvs_agnet` in `lvs_agnet=debug` is not a part of the program, such as `lvs_agent` or \
         `lvs_agent::health`: did you mean `lvs_agent`?",
    );
    assert_refused(
        "lvs_agent::helth=debug",
        "`lvs_agent::helth` in `lvs_agent::helth=debug` is not a part of the program, such as \
         `lvs_agent` or `lvs_agent::health`: did you mean `lvs_agent::health`?",
    );
}

#[test]
fn blank_filter_counts_as_unset() {
    for text in ["", " ", ",", " , ,\n"] {
        assert!(is_blank(text), "{text:?}");
    }
    assert!(!is_blank(",info"));
}

#[test]
fn folders_are_those_of_the_source() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = fs::read_dir(source).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut folders: Vec<_> = folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, FOLDERS);
}

/// A library that logs and is not in the list could not be named in a filter.
#[test]
fn crates_are_all_that_log() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    let packages = lock.split("[[package]]").skip(1);
    let logging = packages.filter(|package| {
        let mut dependencies = package
            .lines()
            .map(|line| line.trim().trim_matches([',', '"']));
        dependencies.any(|name| name == "log" || name == "tracing")
    });
    let names = logging.filter_map(|package| {
        let name = package.split_once("name = \"")?.1.split_once('"')?.0;
        Some(name.replace('-', "_"))
    });
    // Parts of the log itself, and a library for Android.
    let others = ["jni", "tracing_log", "tracing_subscriber"];
    for name in names.filter(|name| !others.contains(&name.as_str())) {
        assert!(CRATES.contains(&name.as_str()), "{name}");
    }
}
