//! YAML blocks, fragments of YAML, and keys outside of tables.

use std::collections::BTreeSet;
use std::fs;

use lvs_agent::config::Config;
use serde_yaml::{Mapping, Value};

use super::assert_none;
use super::keys::{KEYS, Place, knows, places_of, problems, put};
use super::page::{Kind, Piece, page, pages, root, spans, written_pages};
use super::source::words;
use super::tables::loaded;

/// Stands for what the reader has to fill in.
const ELLIPSIS: char = '…';

/// What a fragment is completed with: valid files that differ in what goes
/// with the fragment's keys.
pub(crate) fn bases() -> Vec<Value> {
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

/// What check-config says of a file that a reader should be able to copy: why the file is not
/// valid, or else what is hardly meant.
fn said(name: &str, text: &str) -> Option<String> {
    let config = match Config::parse(name, text) {
        Ok(config) => config,
        Err(errors) => return Some(errors.to_string()),
    };
    let warnings = config.warnings.iter().chain(&config.suggestions);
    let warnings: Vec<_> = warnings.map(ToString::to_string).collect();
    (!warnings.is_empty()).then(|| warnings.join("\n"))
}

/// What check-config says of each file with the fragment, as the best of them has it.
fn refused(fragment: &Mapping) -> Option<String> {
    let mut least: Option<String> = None;
    for document in completed(fragment) {
        let text = serde_yaml::to_string(&document).unwrap();
        let message = said("manual.yaml", &text)?;
        if least
            .as_ref()
            .is_none_or(|least| message.len() < least.len())
        {
            least = Some(message);
        }
    }
    let keys = keys_of(fragment);
    Some(least.unwrap_or_else(|| format!("no mapping has the keys {}", keys.join(", "))))
}

#[test]
fn yaml_blocks_are_valid_and_without_a_warning() {
    let mut wrong = Vec::new();
    for page in pages() {
        for block in page.blocks(Kind::Yaml) {
            let at = page.at(block.line);
            let Some(mapping) = fragment(&block.text) else {
                wrong.push(format!("{at}: the block is no mapping of YAML"));
                continue;
            };
            let message = if mapping.contains_key("virtual_services") {
                // The lines of the page are those of the message.
                let above = "\n".repeat(block.line - 1);
                said(&page.name, &(above + &block.text))
            } else {
                refused(&mapping)
            };
            wrong.extend(
                message.map(|message| format!("{at}: check-config says of the block: {message}")),
            );
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
    for page in written_pages() {
        for paragraph in page.paragraphs() {
            for (span, mapping) in together(&paragraph) {
                let message = if span.text.contains(ELLIPSIS) {
                    unknown_key(&Value::Mapping(mapping))
                } else {
                    refused(&mapping)
                };
                let (at, text) = (page.at(span.line), &span.text);
                wrong.extend(
                    message.map(|message| format!("{at}: `{text}` is not valid: {message}")),
                );
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
            let is_file = matches!(
                *path.last().unwrap(),
                "json" | "lock" | "md" | "service" | "sock" | "yaml"
            );
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

/// What a comment of the example proposes, as `# key: value`.
fn proposed(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("# ")?;
    let (text, _explanation) = text.split_once("   ").unwrap_or((text, ""));
    let (key, value) = text.split_once(": ")?;
    let known = key != "include" && !places_of(key).is_empty();
    let whole = !value.contains(' ')
        || value.starts_with('{') && value.ends_with('}')
        || value.starts_with('[') && value.ends_with(']')
        || value.starts_with('"') && value.ends_with('"');
    (known && whole && !value.contains("...")).then_some(text)
}

#[test]
fn comments_of_the_annotated_example_propose_what_is_valid() {
    let name = "config/cluster.yaml";
    let example = fs::read_to_string(root().join(name)).unwrap();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (number, line) in (1..).zip(example.lines()) {
        let Some(text) = proposed(line) else { continue };
        compared += 1;
        let message = match fragment(text) {
            Some(fragment) => refused(&fragment),
            None => Some("it is no mapping of YAML".to_owned()),
        };
        wrong.extend(
            message.map(|message| format!("{name}:{number}: `{text}` is not valid: {message}")),
        );
    }
    assert_none(&wrong);
    assert!(compared >= 25, "only {compared} proposals were compared");
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
                        let message = problems(&put(Value::Null, place, &fragment))?;
                        let (_, rest) =
                            message.split_once(&format!("has no key `{}`", key.text))?;
                        let hint = rest
                            .lines()
                            .find(|line| line.trim().starts_with("hint: "))?;
                        Some(hint.trim().to_owned())
                    })
                    .collect();
                let ours = spans(&piece(&cells[1]));
                let is_reported = |hint: &String| ours.iter().all(|span| hint.contains(&span.text));
                if !hints.iter().any(is_reported) {
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
