//! Everything else between backticks: the program has it, or another program does.

use std::collections::BTreeSet;

use super::assert_none;
use super::commands::{flags, subcommands};
use super::keys::KEYS;
use super::page::pages;
use super::source::{contains_whole, shipped, source, words};

/// Words of the kernel, keepalived, systemd and others that the program has no
/// need to know.
const FOREIGN: [&str; 10] = [
    "--help",
    "--vrrp",
    "-P",
    "/etc/keepalived/keepalived.conf",
    "LVS_AT",
    "ip link add type ipip",
    "nopreempt",
    "process_*",
    "rustc",
    "sync_threshold",
];

#[test]
fn words_between_backticks_exist() {
    let (source, shipped) = (source(), shipped());
    let mut known: BTreeSet<&str> = words(&source);
    known.extend(words(&shipped));
    let keys: BTreeSet<&str> = KEYS.values().flatten().map(String::as_str).collect();
    known.extend(keys);
    let (subcommands, flags) = (subcommands(), flags(None));
    known.extend(subcommands.iter().map(String::as_str));
    let mut wrong = Vec::new();
    for page in pages() {
        for span in page.spans() {
            let text = &*span.text;
            let first = text.split(' ').next().unwrap_or_default();
            let elsewhere = text.starts_with("lvs_")
                || text.starts_with("lvs-agent ")
                || subcommands.contains(first)
                || text.contains(": ")
                || text.starts_with('{')
                || ["deploy/", "config/", "tests/", "src/"]
                    .iter()
                    .any(|prefix| text.contains(prefix))
                || text.contains("cargo test ");
            let is_known = known.contains(text)
                || flags.contains(first)
                || contains_whole(&source, text)
                || contains_whole(&shipped, text)
                || FOREIGN.contains(&text);
            if !elsewhere && !is_known {
                wrong.push(format!("{}: nothing has `{text}`", page.at(span.line)));
            }
        }
    }
    assert_none(&wrong);
}
