//! Circles among the modules of one folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The modules of one folder that each of them imports, with one file that does.
pub(crate) type Imports = BTreeMap<String, BTreeMap<String, PathBuf>>;

/// The shortest circle through the first module that is on one; begins and
/// ends with the same module.
pub(crate) fn find_circle(imports: &Imports) -> Option<Vec<String>> {
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

pub(crate) fn describe(folder: &str, imports: &Imports, circle: &[String]) -> String {
    let steps = circle.windows(2).map(|step| {
        let file = imports[&step[0]][&step[1]].display();
        format!("{} imports {} in {file}", step[0], step[1])
    });
    let steps: Vec<_> = steps.collect();
    let folder = folder.trim_end_matches('/');
    format!(
        "these modules of {folder}/ import each other in a circle: {}",
        steps.join(", ")
    )
}

#[test]
fn circle_is_found_and_described() {
    let edge = |to: &str, file: &str| BTreeMap::from([(to.to_owned(), PathBuf::from(file))]);
    let imports = Imports::from([
        ("status".to_owned(), edge("health", "status.rs")),
        ("health".to_owned(), edge("link", "health/task.rs")),
        ("link".to_owned(), edge("status", "link/carrier.rs")),
        ("model".to_owned(), BTreeMap::new()),
    ]);
    let circle = find_circle(&imports).unwrap();
    assert_eq!(circle, ["health", "link", "status", "health"]);
    assert_eq!(
        describe("src", &imports, &circle),
        "these modules of src/ import each other in a circle: health imports link in \
         health/task.rs, link imports status in link/carrier.rs, status imports health in \
         status.rs"
    );
}
