use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use serde_json::Value as Json;

use super::super::fields::Fields;
use super::super::node::{Content, Node, START};
use super::super::problem::Problems;
use super::super::{whole_number, yaml};
use super::*;

fn all(
    mapping: &'static Mapping,
    seen: &mut BTreeSet<&'static str>,
    found: &mut Vec<&'static Mapping>,
) {
    fn inner(kind: &'static Kind) -> Vec<&'static Mapping> {
        match kind {
            Kind::Mapping(mapping) => vec![mapping],
            Kind::List(kind, _) | Kind::Map(kind) => inner(kind),
            Kind::AnyOf(kinds) => kinds.iter().flat_map(inner).collect(),
            Kind::Bool
            | Kind::Integer(..)
            | Kind::Duration(..)
            | Kind::Choice(_)
            | Kind::Text(_) => vec![],
        }
    }
    if seen.insert(mapping.name) {
        found.push(mapping);
        for key in mapping.keys() {
            for mapping in inner(&key.kind) {
                all(mapping, seen, found);
            }
        }
    }
}

fn mappings() -> Vec<&'static Mapping> {
    let mut found = Vec::new();
    all(&CONFIGURATION, &mut BTreeSet::new(), &mut found);
    found
}

#[test]
fn no_mapping_declares_a_key_twice() {
    for mapping in mappings() {
        let names: BTreeSet<_> = mapping.keys().map(|key| key.name).collect();
        assert_eq!(names.len(), mapping.keys().count(), "{}", mapping.name);
    }
}

/// Every default is a value that its key can have.
#[test]
fn defaults_are_valid() {
    let mut read = 0;
    for mapping in mappings() {
        let node = Node::new(START, Content::Mapping(Vec::new()));
        let mut problems = Problems::default();
        let fields = Fields::read(&node, mapping, &mut problems).unwrap();
        for key in mapping.keys() {
            let Default(_) = key.presence else {
                continue;
            };
            read += 1;
            let value = fields.value(key.name, &mut problems).unwrap();
            let valid = match &key.kind {
                Kind::Bool => value.truth(&mut problems).is_ok(),
                Kind::Integer(..) => value.integer::<u32>(&mut problems).is_ok(),
                Kind::Duration(..) => value.duration(&mut problems).is_ok(),
                Kind::Choice(words) => {
                    let text = value.node.text().unwrap();
                    words().iter().any(|(word, _)| *word == text)
                }
                Kind::Text(text) => {
                    let pattern = regex::Regex::new(text.pattern).unwrap();
                    pattern.is_match(value.node.text().unwrap())
                }
                Kind::AnyOf(_) | Kind::Mapping(_) | Kind::List(..) | Kind::Map(_) => {
                    key.name == "status"
                }
            };
            assert!(valid, "{}.{}", mapping.name, key.name);
        }
    }
    assert!(read > 25, "{read}");
}

fn files(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The file as JSON, or `None` where it cannot be read as YAML.
fn as_json(path: &Path) -> Option<Json> {
    fn json(node: &Node) -> Json {
        match node.content() {
            Content::Null => Json::Null,
            Content::Bool(value) => (*value).into(),
            Content::Number(text) => {
                match whole_number::integer(text).and_then(|n| i64::try_from(n).ok()) {
                    Some(number) => number.into(),
                    None => text.parse::<f64>().unwrap_or(f64::MAX).into(),
                }
            }
            Content::Text(text) => (&**text).into(),
            Content::Sequence(nodes) => nodes.iter().map(json).collect(),
            Content::Mapping(entries) => entries
                .iter()
                .map(|entry| (entry.key.value.to_string(), json(&entry.value)))
                .collect(),
        }
    }
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_start_matches('\u{feff}');
    let mut budget = yaml::MAX_VALUES;
    Some(json(&yaml::parse(text, 0, &mut budget).ok()??))
}

#[test]
fn valid_files_match_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let directories = ["config", "tests/config/good", "tests/config/warned"];
    for path in directories.into_iter().flat_map(files) {
        let instance = as_json(&path).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&instance)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// The list has the files whose mistakes lie between keys, or in what a value means.
#[test]
fn the_schema_refuses_what_a_schema_can_tell() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut matching = String::new();
    for path in files("tests/config/broken") {
        if as_json(&path).is_some_and(|instance| validator.is_valid(&instance)) {
            matching += path.file_name().unwrap().to_str().unwrap();
            matching.push('\n');
        }
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    expect_file![directory.join("tests/config/broken/matching-the-schema.txt")]
        .assert_eq(&matching);
}
