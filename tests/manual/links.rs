//! Links, anchors and paths.

use std::path::{Component, Path, PathBuf};

use super::assert_none;
use super::page::{page, pages, root};

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            normal.pop();
        } else if component != Component::CurDir {
            normal.push(component);
        }
    }
    normal
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for here in pages() {
        for link in here.links() {
            if link.text.contains("://") {
                continue;
            }
            links += 1;
            let at = here.at(link.line);
            let (file, anchor) = match link.text.split_once('#') {
                Some((file, anchor)) => (file, Some(anchor)),
                None => (&*link.text, None),
            };
            let directory = Path::new(&here.name).parent().unwrap();
            let target = if file.is_empty() {
                PathBuf::from(&here.name)
            } else {
                normal(&directory.join(file))
            };
            if !root().join(&target).exists() {
                wrong.push(format!("{at}: there is no file {}", target.display()));
                continue;
            }
            let name = target.to_str().unwrap();
            let known = |anchor: &str| page(name).anchors().iter().any(|one| one == anchor);
            if let Some(anchor) = anchor.filter(|anchor| !known(anchor)) {
                wrong.push(format!("{at}: {name} has no heading #{anchor}"));
            }
        }
    }
    assert!(links >= 60, "only {links} links were followed");
    assert_none(&wrong);
}

#[test]
fn every_page_is_in_both_indexes() {
    let mut wrong = Vec::new();
    for index in ["README.md", "deploy/manual/README.md"] {
        let index = page(index);
        let links: Vec<_> = index.links().into_iter().map(|link| link.text).collect();
        for page in pages() {
            let name = page.name.rsplit('/').next().unwrap();
            let listed = links.iter().any(|link| link.ends_with(name));
            if name != "README.md" && !listed {
                wrong.push(format!("{}: no link leads to {}", index.name, page.name));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn paths_exist() {
    let mut wrong = Vec::new();
    let mut paths = 0;
    for page in pages() {
        for line in &page.lines {
            let of_path = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
            for word in line.text.split(|c: char| !of_path(c)) {
                let word = word.trim_end_matches(['.', '/']);
                let ours = ["deploy/", "config/", "tests/", "src/"];
                if !ours.iter().any(|prefix| word.starts_with(prefix)) {
                    continue;
                }
                paths += 1;
                if !root().join(word).exists() {
                    wrong.push(format!("{}: there is no {word}", page.at(line.number)));
                }
            }
        }
    }
    assert!(paths >= 10, "only {paths} paths were found");
    assert_none(&wrong);
}
