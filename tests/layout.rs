//! The structure of `src/`: folders import each other in one direction only.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that the functions beside the tests are tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `src/` that each folder imports, with one file that does.
type Imports = BTreeMap<String, BTreeMap<String, PathBuf>>;

#[test]
fn no_folder_of_src_imports_in_a_circle() {
    let imports = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(imports.len() > 10, "src/ has few folders: {imports:?}");
    let circle = find_circle(&imports);
    assert!(circle.is_none(), "{}", describe(&imports, &circle.unwrap()));
}

/// The list in `src/lib.rs` is where newcomers begin.
#[test]
fn each_folder_imports_only_folders_that_the_list_has_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let listed = listed_folders(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let imports = imports(&src);
    let mut wrong = Vec::new();
    for (folder, imported) in &imports {
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

#[test]
fn circle_is_found_and_described() {
    let edge = |to: &str, file: &str| BTreeMap::from([(to.to_owned(), PathBuf::from(file))]);
    let imports = Imports::from([
        ("status".to_owned(), edge("health", "status/mod.rs")),
        ("health".to_owned(), edge("link", "health/task.rs")),
        ("link".to_owned(), edge("status", "link/carrier.rs")),
        ("model".to_owned(), BTreeMap::new()),
    ]);
    let circle = find_circle(&imports).unwrap();
    assert_eq!(circle, ["health", "link", "status", "health"]);
    assert_eq!(
        describe(&imports, &circle),
        "these folders of src/ import each other in a circle: health imports link in \
         health/task.rs, link imports status in link/carrier.rs, status imports health in \
         status/mod.rs"
    );
}

#[test]
fn only_code_outside_tests_and_comments_counts() {
    let text = "// crate::doctor\nuse crate::{config, model::Weight};\nfn f() { crate::plan::diff() }\n\
                #[cfg(test)]\nmod tests { use crate::status::fixture; }\n";
    assert_eq!(folders_named_in(text), ["config", "model", "plan"]);
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

fn imports(src: &Path) -> Imports {
    let mut imports = Imports::new();
    for file in source_files(src) {
        let relative = file.strip_prefix(src).unwrap();
        let mut parts = relative
            .components()
            .map(|part| part.as_os_str().to_str().unwrap());
        let folder = parts.next().unwrap().to_owned();
        let in_tests =
            parts.any(|part| part == "tests" || part.ends_with("tests.rs") || part == "fixture.rs");
        if in_tests || relative.components().count() == 1 {
            continue;
        }
        let known = imports.entry(folder.clone()).or_default();
        for named in folders_named_in(&fs::read_to_string(&file).unwrap()) {
            if named != folder && src.join(&named).is_dir() {
                known.entry(named).or_insert_with(|| relative.to_owned());
            }
        }
    }
    imports
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The first segments of all paths that begin with `crate::`, outside comments
/// and the module of tests, which is the last item of a file.
fn folders_named_in(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<_> = code
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect();
    let code = code.join(" ");
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest
            .strip_prefix('{')
            .and_then(|group| group.split_once('}'))
        {
            Some((group, _)) => named.extend(group.split(',').map(|item| identifier(item.trim()))),
            None => {
                named.insert(identifier(rest));
            }
        }
    }
    named.into_iter().collect()
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

/// The shortest circle through the first folder that is on one; begins and
/// ends with the same folder.
fn find_circle(imports: &Imports) -> Option<Vec<String>> {
    imports.keys().find_map(|start| {
        let mut paths = vec![vec![start.clone()]];
        let mut visited = BTreeSet::new();
        while !paths.is_empty() {
            let mut longer = Vec::new();
            for path in paths {
                for next in imports
                    .get(path.last()?)
                    .into_iter()
                    .flat_map(BTreeMap::keys)
                {
                    let path: Vec<_> = path.iter().chain([next]).cloned().collect();
                    if next == start {
                        return Some(path);
                    }
                    if visited.insert(next.clone()) {
                        longer.push(path);
                    }
                }
            }
            paths = longer;
        }
        None
    })
}

fn describe(imports: &Imports, circle: &[String]) -> String {
    let steps = circle.windows(2).map(|step| {
        let file = imports[&step[0]][&step[1]].display();
        format!("{} imports {} in {file}", step[0], step[1])
    });
    let steps: Vec<_> = steps.collect();
    format!(
        "these folders of src/ import each other in a circle: {}",
        steps.join(", ")
    )
}
