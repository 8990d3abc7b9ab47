//! The reference of all keys, as a manual page of section 5.

use std::collections::BTreeSet;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

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
        "A YAML file, the same on directors and real servers. Each section between this one and \
         FILES is one mapping.",
    )]);
    let mut seen = BTreeSet::new();
    section(&CONFIGURATION, &mut seen, &mut page);
    page.control("SH", ["FILES"]).control("TP", []);
    page.text([italic("/etc/lvs-agent/config.yaml")]);
    page.text([roman(
        "The configuration where neither --config nor LVS_AGENT_CONFIG names another file. \
         lvs-agent(8) has the other files.",
    )]);
    page.control("SH", ["SEE ALSO"]);
    page.text([roman(
        "keepalived.conf(5), ipvsadm(8), lvs-agent(8), lvs-agent-check-config(8), \
         lvs-agent-schema(8)",
    )]);
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

/// What stands between backticks is bold; a link to a mapping is its name.
fn inlines(markdown: &str) -> Vec<Inline> {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once("[`") {
        text.push_str(before);
        if let Some((name, after)) = link_to_mapping(link) {
            text.push('`');
            text.push_str(name);
            text.push('`');
            rest = after;
        } else {
            text.push_str("[`");
            rest = link;
        }
    }
    text.push_str(rest);
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

/// The name in a link whose first two characters are gone, and what follows the link.
fn link_to_mapping(link: &str) -> Option<(&str, &str)> {
    let (name, after) = link.split_once("`](#")?;
    let (_, after) = after.split_once(')')?;
    (!name.contains('`')).then_some((name, after))
}
