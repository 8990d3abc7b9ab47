//! The structure of `src/`: folders import each other in one direction only, and so do the
//! modules of one folder.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that the functions beside the tests are tests"
)]

mod circle;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use circle::{describe, find_circle};
use source::Source;

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn no_folder_of_src_imports_in_a_circle() {
    let imports = Source::read(&src()).imports();
    let folders = &imports[&Vec::new()];
    assert!(folders.len() > 10, "src/ has few folders: {folders:?}");
    let circle = find_circle(folders);
    assert!(
        circle.is_none(),
        "{}",
        describe("src", folders, &circle.unwrap())
    );
}

/// A file and the files of its own folder, as `foo.rs` and `foo/bar.rs`, are one module here:
/// they may import each other.
#[test]
fn no_modules_of_one_folder_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for (folder, imports) in Source::read(&src()).imports() {
        if let Some(circle) = find_circle(&imports) {
            let folder = format!("src/{}", folder.join("/"));
            circles.push(describe(&folder, &imports, &circle));
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// The list in `src/lib.rs` is where newcomers begin.
#[test]
fn each_folder_imports_only_folders_that_the_list_has_before_it() {
    let listed = listed_folders(&fs::read_to_string(src().join("lib.rs")).unwrap());
    let imports = Source::read(&src()).imports();
    let mut wrong = Vec::new();
    for (folder, imported) in &imports[&Vec::new()] {
        let before = listed.iter().take_while(|listed| *listed != folder);
        let before: BTreeSet<_> = before.collect();
        assert!(before.len() < listed.len(), "the list lacks {folder}");
        for (named, file) in imported {
            if !before.contains(named) {
                wrong.push(format!("{} imports {named}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The folders of the table whose head is `folder`, in its order.
fn listed_folders(text: &str) -> Vec<String> {
    let rows = text.lines().skip_while(|line| !line.contains("| folder |"));
    let rows = rows.skip(2).map_while(|line| line.strip_prefix("//! | "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    names
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}
