//! The reference of all keys, as a page of the manual.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{CONFIGURATION, Key, Kind, Mapping, Presence};

/// Every key with its value, its default and what it does, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Reference of configuration keys\n\n\
         This page is generated from the declaration of the keys in `src/config/declaration`;\n\
         `UPDATE_EXPECT=1 cargo test --test config` writes it. [configuration.md](configuration.md)\n\
         explains the file, and `lvs-agent schema` prints the same as a JSON Schema.\n",
    );
    let mut seen = BTreeSet::new();
    section(&CONFIGURATION, &mut seen, &mut page);
    page
}

fn section(mapping: &'static Mapping, seen: &mut BTreeSet<&'static str>, page: &mut String) {
    if !seen.insert(mapping.name) {
        return;
    }
    let (name, doc) = (mapping.name, mapping.doc);
    // Writing to a text does not fail.
    let _ = write!(page, "\n## `{name}`\n\n{doc}\n");
    if mapping.keys().next().is_some() {
        page.push_str("\n| key | value | without the key | meaning |\n|---|---|---|---|\n");
    }
    for key in mapping.keys() {
        page.push_str(&row(key));
    }
    for key in mapping.keys() {
        for inner in mappings(&key.kind) {
            section(inner, seen, page);
        }
    }
}

fn row(key: &Key) -> String {
    let cells = [
        &format!("`{}`", key.name),
        &value(&key.kind),
        &without(key),
        key.doc,
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

/// What holds where the key is not there.
pub(super) fn without(key: &Key) -> String {
    match key.presence {
        Presence::Required(_) => "an error".to_owned(),
        Presence::Default(default) => format!("`{default}`"),
        Presence::Optional(words) => words.to_owned(),
    }
}

/// What a key of the kind can have, in words.
pub(super) fn value(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Integer(i64::MIN, ..) => "a whole number".to_owned(),
        Kind::Integer(first, last, _) => format!("a whole number from {first} to {last}"),
        Kind::Duration(first, last) => format!(
            "a duration from {} to {}",
            humantime::format_duration(*first),
            humantime::format_duration(*last)
        ),
        Kind::Choice(words) => {
            let words: Vec<_> = words()
                .iter()
                .map(|(word, doc)| format!("`{word}` {doc}"))
                .collect();
            words.join("; ")
        }
        Kind::Text(text) => text.wanted.to_owned(),
        Kind::Mapping(mapping) => {
            let anchor = mapping.name;
            format!("a mapping: [`{anchor}`](#{anchor})")
        }
        Kind::List(kind, least) => {
            let least = if *least > 0 { ", not empty" } else { "" };
            format!("a list{least}, each {}", value(kind))
        }
        Kind::Map(kind) => format!("a mapping of names, each with {}", value(kind)),
        Kind::AnyOf([]) => "nothing".to_owned(),
        Kind::AnyOf(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(value).collect();
            kinds.join(", or ")
        }
    }
}

/// The mappings that a key of the kind can have.
pub(super) fn mappings(kind: &Kind) -> Vec<&'static Mapping> {
    match kind {
        Kind::Mapping(mapping) => vec![mapping],
        Kind::List(kind, _) | Kind::Map(kind) => mappings(kind),
        Kind::AnyOf(kinds) => kinds.iter().flat_map(mappings).collect(),
        Kind::Bool | Kind::Integer(..) | Kind::Duration(..) | Kind::Choice(_) | Kind::Text(_) => {
            Vec::new()
        }
    }
}
