//! The text of the program: the source without tests, and what is shipped with it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::page::root;

/// All of the source that is no test.
pub(crate) fn source() -> String {
    let mut text = String::new();
    append(&root().join("src"), &mut text);
    text
}

/// What an administrator installs beside the program.
pub(crate) fn shipped() -> String {
    let mut text = String::new();
    for name in [
        "deploy",
        "config",
        "Cargo.toml",
        "tests/run.sh",
        "tests/lab/prepare.sh",
    ] {
        append(&root().join(name), &mut text);
    }
    text
}

fn append(path: &Path, text: &mut String) {
    if path.is_dir() {
        let mut paths: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        for path in paths {
            append(&path, text);
        }
        return;
    }
    let name = path.file_name().unwrap().to_str().unwrap();
    let is_test = name.ends_with("tests.rs") || name == "fuzzing.rs" || name == "fixture.rs";
    let is_prose_or_picture = |extension: &std::ffi::OsStr| extension == "md" || extension == "png";
    if !is_test && !path.extension().is_some_and(is_prose_or_picture) {
        text.push_str(&fs::read_to_string(path).unwrap());
        text.push('\n');
    }
}

/// The words of a text: letters, digits and `_`.
pub(crate) fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !is_of_word(c))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether `wanted` stands in `text` and is no part of longer words.
pub(crate) fn contains_whole(text: &str, wanted: &str) -> bool {
    let first = wanted.chars().next().is_some_and(is_of_word);
    let last = wanted.chars().next_back().is_some_and(is_of_word);
    text.match_indices(wanted).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + wanted.len()..].chars().next();
        let longer = first && before.is_some_and(is_of_word);
        let continued = last && after.is_some_and(is_of_word);
        !longer && !continued
    })
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
