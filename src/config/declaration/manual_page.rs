//! The reference of all keys, as a manual page of section 5.

use std::collections::BTreeSet;

use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::reference::{mappings, value, without};
use super::{CONFIGURATION, Mapping};

/// Every key with its value, its default and what it does, as the source of a
/// page for man(1).
pub fn manual_page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["lvs-agent.yaml", "5", "", "lvs-agent"]);
    page.control("SH", ["NAME"]);
    page.text([roman("lvs-agent.yaml - configuration of lvs-agent(8)")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "A YAML file, by default /etc/lvs-agent/config.yaml. Each section below is one mapping.",
    )]);
    let mut seen = BTreeSet::new();
    section(&CONFIGURATION, &mut seen, &mut page);
    page.control("SH", ["SEE ALSO"]);
    page.text([roman("lvs-agent(8), lvs-agent-check-config(8)")]);
    page.render()
}

fn section(mapping: &'static Mapping, seen: &mut BTreeSet<&'static str>, page: &mut Roff) {
    if !seen.insert(mapping.name) {
        return;
    }
    page.control("SH", [mapping.name]);
    page.text(inlines(mapping.doc));
    for key in mapping.keys() {
        page.control("TP", []);
        page.text([bold(key.name)]);
        page.text(inlines(key.doc));
        page.text(inlines(&format!(
            "Value: {}. Without the key: {}.",
            value(&key.kind),
            without(key)
        )));
    }
    for key in mapping.keys() {
        for inner in mappings(&key.kind) {
            section(inner, seen, page);
        }
    }
}

/// What stands between backticks is bold; a link is its text.
fn inlines(markdown: &str) -> Vec<Inline> {
    let text = markdown.split('[').map(|part| match part.split_once("](") {
        Some((text, rest)) => {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            format!("{text}{after}")
        }
        None => part.to_owned(),
    });
    let text: String = text.collect();
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| {
            if index % 2 == 0 {
                roman(part)
            } else {
                bold(part)
            }
        })
        .collect()
}
