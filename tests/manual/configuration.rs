//! YAML blocks, fragments of YAML, keys, defaults and ranges.

use std::collections::BTreeSet;
use std::fs;

use lvs_agent::config::Config;
use serde_yaml::{Mapping, Value};

use super::assert_none;
use super::keys::{KEYS, Place, knows, places_of, problems, put};
use super::page::{Kind, Page, Piece, Table, page, pages, root, spans};
use super::source::words;

/// Stands for what the reader has to fill in.
const ELLIPSIS: char = '…';

/// What a fragment is completed with: valid files that differ in what goes
/// with the fragment's keys.
fn bases() -> Vec<Value> {
    let services = [
        "address: 192.168.11.200:80",
        "address: 192.168.11.200:80, quorum: 3, fail_open_below: 1%",
        "address: 192.168.11.200:443, check: { https: {} }",
        "address: 192.168.11.200:443, check: { grpc: { tls: true } }",
        "address: 192.168.11.200:80, check: { exec: { command: [/bin/true] } }",
        "address: 192.168.11.200:53, protocol: udp, check: { ping: {} }",
        "address: 192.168.11.200:80, forwarding: masquerade",
        "address: 192.168.11.200:80, forwarding: tunnel",
        "address: 192.168.11.200:80, forwarding: tunnel, tunnel: { type: gue }",
        "address: 192.168.11.200:80, scheduler: sh",
        "fwmark: 1, family: ipv4",
    ];
    let base = |service: &str| {
        let weight = if service.contains("quorum") {
            ", weight: 100"
        } else {
            ""
        };
        let text = format!(
            "{{ director: {{ interface: eth0 }}, virtual_services: [{{ name: web, {service}, \
             real_servers: [{{ name: rs1, address: 192.168.11.21{weight} }}] }}] }}"
        );
        serde_yaml::from_str(&text).unwrap()
    };
    services.map(base).to_vec()
}

fn fragment(text: &str) -> Option<Mapping> {
    serde_yaml::from_str(text).ok()
}

fn keys_of(fragment: &Mapping) -> Vec<&str> {
    fragment.keys().filter_map(Value::as_str).collect()
}

/// The places where every key of the fragment is known.
fn places_for(fragment: &Mapping) -> Vec<&'static Place> {
    let keys = keys_of(fragment);
    let places = KEYS.iter();
    places
        .filter(|(_, known)| keys.iter().all(|key| known.contains(*key)))
        .map(|(place, _)| place)
        .collect()
}

/// Files that are the fragment and what completes it.
fn completed(fragment: &Mapping) -> Vec<Value> {
    let places = places_for(fragment);
    let of_base = |base: Value| places.iter().map(move |place| (base.clone(), *place));
    bases()
        .into_iter()
        .flat_map(of_base)
        .map(|(base, place)| {
            // A check has one kind: that of the fragment.
            let service = &base["virtual_services"][0];
            let kind = place.get(3).filter(|_| place[2] == "check");
            let other = kind.is_some_and(|kind| service["check"].get(kind).is_none());
            let check = Mapping::from_iter([("check".into(), Value::Null)]);
            let base = if other {
                put(base, &place[..2], &check)
            } else {
                base
            };
            put(base, place, fragment)
        })
        .collect()
}

/// Why no file with the fragment is valid, as the best of them has it.
fn refused(fragment: &Mapping) -> Option<String> {
    let mut least: Option<String> = None;
    for document in completed(fragment) {
        let said = problems(&document)?;
        if least.as_ref().is_none_or(|least| said.len() < least.len()) {
            least = Some(said);
        }
    }
    let keys = keys_of(fragment);
    Some(least.unwrap_or_else(|| format!("no mapping has the keys {}", keys.join(", "))))
}

#[test]
fn yaml_blocks_are_valid() {
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page.blocks(Kind::Yaml) {
            let at = page.at(block.line);
            let Some(mapping) = fragment(&block.text) else {
                wrong.push(format!("{at}: the block is no mapping of YAML"));
                continue;
            };
            let said = if mapping.contains_key("virtual_services") {
                // The lines of the page are those of the message.
                let above = "\n".repeat(block.line - 1);
                let errors = Config::parse(&page.name, &(above + &block.text)).err();
                errors.map(|errors| errors.to_string())
            } else {
                refused(&mapping)
            };
            wrong.extend(said.map(|said| format!("{at}: check-config refuses the block: {said}")));
        }
    }
    assert_none(&wrong);
}

#[test]
fn smallest_configuration_is_the_one_in_config() {
    let minimal = fs::read_to_string(root().join("config/minimal.yaml")).unwrap();
    let mut wrong = Vec::new();
    for name in ["README.md", "deploy/manual/configuration.md"] {
        let page = page(name);
        let block = page.blocks(Kind::Yaml).remove(0);
        if !minimal.ends_with(&block.text) {
            let at = page.at(block.line);
            wrong.push(format!(
                "{at}: the block is not that of config/minimal.yaml"
            ));
        }
    }
    assert_none(&wrong);
}

/// A span like `key: value` or `{ key: value }`.
fn is_fragment(span: &str) -> bool {
    let key = span.split_once(": ").map(|(key, _)| key);
    let is_key = |key: &str| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    span.starts_with("{ ") || key.is_some_and(is_key)
}

/// The fragments between backticks in one paragraph or cell; those that come
/// together may depend on each other.
fn together(piece: &Piece) -> Vec<(Piece, Mapping)> {
    let fragments = spans(piece).into_iter().filter_map(|span| {
        let mapping = is_fragment(&span.text).then(|| fragment(&span.text))??;
        Some((span, mapping))
    });
    fragments.collect()
}

#[test]
fn fragments_are_valid() {
    let mut wrong = Vec::new();
    for page in pages() {
        for paragraph in page.paragraphs() {
            for (span, mapping) in together(&paragraph) {
                let said = if span.text.contains(ELLIPSIS) {
                    unknown_key(&Value::Mapping(mapping))
                } else {
                    refused(&mapping)
                };
                let (at, text) = (page.at(span.line), &span.text);
                wrong.extend(said.map(|said| format!("{at}: `{text}` is not valid: {said}")));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn default_sysctls_are_listed() {
    let config = loaded(&bases()[0]).unwrap();
    let page = page("deploy/manual/configuration.md");
    let spans: BTreeSet<_> = page.spans().into_iter().map(|span| span.text).collect();
    let defaults = config.director.sysctls.iter();
    let defaults = defaults.chain(&config.real_server.sysctls);
    let defaults: Vec<_> = defaults
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    let mut wrong = Vec::new();
    for default in defaults.iter().filter(|default| !spans.contains(*default)) {
        wrong.push(format!(
            "{}: nothing says that `{default}` is a default",
            page.name
        ));
    }
    for span in page.spans() {
        let is_sysctl = span.text.starts_with("net.") && span.text.contains(": ");
        if is_sysctl && !defaults.contains(&span.text) {
            let at = page.at(span.line);
            wrong.push(format!("{at}: `{}` is no default", span.text));
        }
    }
    assert_none(&wrong);
}

/// A key that no mapping has, of the fragment or of what is in it.
fn unknown_key(value: &Value) -> Option<String> {
    let Value::Mapping(mapping) = value else {
        return None;
    };
    if places_for(mapping).is_empty() {
        let keys = keys_of(mapping).join(", ");
        return Some(format!("no mapping has the keys {keys}"));
    }
    mapping.values().find_map(unknown_key)
}

#[test]
fn dotted_keys_exist() {
    let mut wrong = Vec::new();
    for page in pages() {
        for span in page.spans() {
            let path: Vec<_> = span.text.split('.').collect();
            let root = &KEYS[&Vec::new()];
            let named = path.iter().all(|key| {
                let mut characters = key.chars();
                !key.is_empty() && characters.all(|c| c.is_ascii_lowercase() || c == '_')
            });
            let is_file = matches!(*path.last().unwrap(), "json" | "md" | "yaml" | "service");
            if path.len() < 2 || !named || is_file || !root.contains(path[0]) {
                continue;
            }
            if !knows(&[], &path) {
                let at = page.at(span.line);
                wrong.push(format!("{at}: the program has no key `{}`", span.text));
            }
        }
    }
    assert_none(&wrong);
}

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

#[test]
fn annotated_example_has_every_key() {
    let example = fs::read_to_string(root().join("config/cluster.yaml")).unwrap();
    let words = words(&example);
    let keys: BTreeSet<_> = KEYS.values().flatten().collect();
    let missing = keys.iter().filter(|key| !words.contains(key.as_str()));
    let missing: Vec<_> = missing
        .map(|key| format!("config/cluster.yaml: the key `{key}` is not there"))
        .collect();
    assert_none(&missing);
}

/// What the program makes of a document, if it is valid.
fn loaded(document: &Value) -> Option<Config> {
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
    for page in pages() {
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

#[test]
fn keys_of_other_programs_have_the_hints_of_the_tables() {
    let page = page("deploy/manual/keepalived.md");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for table in page.tables() {
        for (line, cells) in &table.rows {
            let piece = |text: &str| Piece {
                line: *line,
                text: text.to_owned(),
            };
            for key in spans(&piece(&cells[0])) {
                if key.text.contains(' ') {
                    continue;
                }
                compared += 1;
                let fragment = Mapping::from_iter([(Value::from(&*key.text), 1.into())]);
                let hints: Vec<_> = KEYS
                    .keys()
                    .filter_map(|place| {
                        let said = problems(&put(Value::Null, place, &fragment))?;
                        let (_, rest) = said.split_once(&format!("has no key `{}`", key.text))?;
                        let hint = rest
                            .lines()
                            .find(|line| line.trim().starts_with("hint: "))?;
                        Some(hint.trim().to_owned())
                    })
                    .collect();
                let ours = spans(&piece(&cells[1]));
                let told = |hint: &String| ours.iter().all(|span| hint.contains(&span.text));
                if !hints.iter().any(told) {
                    let at = page.at(*line);
                    let hints: BTreeSet<_> = hints.into_iter().collect();
                    wrong.push(format!(
                        "{at}: for `{}` the program says otherwise: {hints:?}",
                        key.text
                    ));
                }
            }
        }
    }
    assert_none(&wrong);
    assert!(compared >= 60, "only {compared} keys were compared");
}
