//! Tables of keys: the keys themselves, their defaults and their ranges.

use std::collections::BTreeSet;

use lvs_agent::config::Config;
use serde_yaml::{Mapping, Value};

use super::assert_none;
use super::configuration::bases;
use super::keys::{KEYS, Place, knows, places_of, put};
use super::page::{Page, Piece, Table, pages, spans, written_pages};

/// The key of a cell like `` `slow_start: 30s` `` or `` `http.listen` ``.
fn key_of_cell(span: &str) -> Vec<&str> {
    let key = span.split_once(':').map_or(span, |(key, _)| key);
    key.split('.').collect()
}

/// A table of keys with the mapping that has them all.
struct KeyTable {
    table: Table,
    /// Keys, each with the line of its row, and the row's cells.
    keys: Vec<(usize, String, Vec<String>)>,
    place: Option<&'static Place>,
}

fn key_tables(page: &Page) -> Vec<KeyTable> {
    let tables = page.tables().into_iter();
    let tables = tables.filter(|table| table.head[0] == "key");
    tables
        .map(|table| {
            let mut keys = Vec::new();
            for (line, cells) in &table.rows {
                let cell = Piece {
                    line: *line,
                    text: cells[0].clone(),
                };
                for span in spans(&cell) {
                    keys.push((*line, span.text, cells.clone()));
                }
            }
            let known = |place: &&Place| {
                let mut keys = keys.iter();
                keys.all(|(_, key, _)| knows(place, &key_of_cell(key)))
            };
            let place = KEYS.keys().find(known);
            KeyTable { table, keys, place }
        })
        .collect()
}

#[test]
fn tables_of_keys_have_what_the_program_has() {
    let mut wrong = Vec::new();
    let mut found = 0;
    for page in pages() {
        for table in key_tables(&page) {
            found += 1;
            let at = page.at(table.table.line);
            let heading = &table.table.heading;
            let Some(place) = table.place else {
                for (line, key, _) in &table.keys {
                    if places_of(key_of_cell(key)[0]).is_empty() {
                        let at = page.at(*line);
                        wrong.push(format!("{at}: the program has no key `{key}`"));
                    }
                }
                wrong.push(format!(
                    "{at}: no mapping has all keys of the table `{heading}`"
                ));
                continue;
            };
            if page.name != "deploy/manual/configuration.md" {
                continue;
            }
            let listed: BTreeSet<&str> = table
                .keys
                .iter()
                .map(|(_, key, _)| key_of_cell(key)[0])
                .collect();
            let everything = page.lines.iter().map(|line| &*line.text);
            let everything = everything.collect::<Vec<_>>().join("\n");
            for key in &KEYS[place] {
                // `addresses` and `fwmark` are on the row of `address`.
                let span = |end| everything.contains(&format!("`{key}{end}"));
                let elsewhere = span('`') || span(':');
                if !listed.contains(&**key) && !elsewhere {
                    wrong.push(format!("{at}: the table `{heading}` lacks the key `{key}`"));
                }
            }
        }
    }
    assert_none(&wrong);
    assert!(found >= 7, "only {found} tables have a column `key`");
}

/// What the program makes of a document, if it is valid.
pub(crate) fn loaded(document: &Value) -> Option<Config> {
    let text = serde_yaml::to_string(document).unwrap();
    let mut config = Config::parse("manual.yaml", &text).ok()?;
    config.sha256.clear();
    config.warnings.clear();
    config.suggestions.clear();
    Some(config)
}

/// The documents in which a key of the place has the value, each with the
/// document that lacks the key alone.
fn with_and_without(place: &Place, path: &[&str], value: &Value) -> Vec<(Value, Value)> {
    let (key, sections) = path.split_last().unwrap();
    let mut whole = place.clone();
    whole.extend(sections.iter().map(|section| (*section).to_owned()));
    let fragment = Mapping::from_iter([(Value::from(*key), value.clone())]);
    let documents = bases().into_iter();
    documents
        .map(|base| (put(base.clone(), &whole, &fragment), base))
        .collect()
}

#[test]
fn defaults_are_as_the_tables_have_them() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for page in pages() {
        for table in key_tables(&page) {
            let column = table.table.head.iter().position(|name| name == "default");
            let (Some(column), Some(place)) = (column, table.place) else {
                continue;
            };
            for (line, key, cells) in &table.keys {
                let Some(default) = cells[column]
                    .strip_prefix('`')
                    .and_then(|rest| rest.strip_suffix('`'))
                else {
                    continue;
                };
                // The default may be another key of the same mapping.
                if KEYS[place].contains(default) {
                    continue;
                }
                let value = serde_yaml::from_str(default).unwrap();
                let documents = with_and_without(place, &key_of_cell(key), &value);
                let mut documents = documents.iter();
                let same = documents.any(|(with, without)| {
                    loaded(with).is_some_and(|with| Some(with) == loaded(without))
                });
                compared += 1;
                if !same {
                    let at = page.at(*line);
                    wrong.push(format!("{at}: the default of `{key}` is not `{default}`"));
                }
            }
        }
    }
    assert_none(&wrong);
    assert!(compared >= 15, "only {compared} defaults were compared");
}

/// A number or duration of a range, and the same with `step` added.
fn beyond(bound: &str, up: bool) -> Option<Value> {
    let step = |number: u64| {
        if up {
            Some(number + 1)
        } else {
            number.checked_sub(1)
        }
    };
    if let Ok(number) = bound.parse::<u64>() {
        return step(number).map(Value::from);
    }
    let nanoseconds = u64::try_from(humantime::parse_duration(bound).ok()?.as_nanos()).ok()?;
    step(nanoseconds).map(|number| Value::from(format!("{number}ns")))
}

/// The ranges `A to B` in a cell, as numbers or durations.
fn ranges(cell: &str) -> Vec<(String, String)> {
    let words: Vec<_> = cell
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '.'))
        .collect();
    let bound = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let triples = words.windows(3);
    triples
        .filter(|words| words[1] == "to" && bound(words[0]) && bound(words[2]))
        .map(|words| (words[0].to_owned(), words[2].to_owned()))
        .collect()
}

#[test]
fn ranges_are_as_the_tables_have_them() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for page in written_pages() {
        for table in key_tables(&page) {
            let Some(place) = table.place else { continue };
            for (line, key, cells) in &table.keys {
                // The only range of text is the length of a name.
                for (low, high) in cells[1..].iter().flat_map(|cell| ranges(cell)) {
                    if key == "name" {
                        continue;
                    }
                    let path = key_of_cell(key);
                    let valid = |value: &Value| {
                        let documents = with_and_without(place, &path, value);
                        documents.iter().any(|(with, _)| loaded(with).is_some())
                    };
                    let read = |text: &str| serde_yaml::from_str(text).unwrap();
                    let at = page.at(*line);
                    for bound in [&low, &high] {
                        if !valid(&read(bound)) {
                            wrong.push(format!("{at}: the program refuses {bound} for `{key}`"));
                        }
                    }
                    let outside = [(&low, false), (&high, true)];
                    for (bound, up) in outside {
                        if beyond(bound, up).is_some_and(|value| valid(&value)) {
                            let message = "is not the bound: the program takes what is beyond it";
                            wrong.push(format!("{at}: {bound} of `{key}` {message}"));
                        }
                    }
                    compared += 1;
                }
            }
        }
    }
    assert_none(&wrong);
    assert!(compared >= 6, "only {compared} ranges were compared");
}
