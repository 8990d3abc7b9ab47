//! `MISC_CHECK`: a program, in whose arguments the real server's address stands.

use std::net::IpAddr;

use serde_yaml::Value;

use super::super::check::Kind;
use super::super::note::{Notes, SourceLocation};
use super::blocks::Statement;
use super::target::Target;
use crate::config::{ADDRESS, PORT};

/// Runs the program of its arguments, and prints the weight that an exit status
/// of 2 and more is to keepalived.
const DYNAMIC: &str =
    "\"$@\" >/dev/null; code=$?; [ $code -lt 2 ] && exit $code; echo $((code - 2))";

pub(super) fn kind(
    special: &[&Statement],
    target: Target,
    location: SourceLocation,
    notes: &mut Notes,
) -> Option<Kind> {
    let mut words = Vec::new();
    let (mut user, mut is_dynamic) = (None, false);
    for inner in special {
        match inner.keyword() {
            "misc_path" => {
                words = inner
                    .arguments()
                    .iter()
                    .flat_map(|text| split(text))
                    .collect();
            }
            "misc_timeout" => {}
            "misc_dynamic" => is_dynamic = true,
            "user" => {
                user = Some(inner.argument(0));
                if !inner.argument(1).is_empty() {
                    let text = format!(
                        "the group `{}` is left out: a program has the groups of its `user`",
                        inner.argument(1)
                    );
                    notes.add(inner.location, text);
                }
            }
            _ => inner.note_unsupported(notes),
        }
    }
    let program = words.first()?;
    if !program.starts_with('/') {
        let text = format!(
            "`misc_path {program}` is left out: `exec` takes the absolute path of a program; \
             write it"
        );
        notes.add(location, text);
        return None;
    }
    if user.is_none() {
        let text = "a program without `user` runs as `keepalived_script` or root there, and as \
                    the agent's own user here, in the sandbox of the agent's unit; see `exec`";
        notes.once("user", location, text);
    }
    let mut words = with_placeholders(words, target);
    if is_dynamic {
        words = dynamic(words, location, notes);
    }
    let words: Vec<Value> = words.into_iter().map(Value::from).collect();
    let mut kind = Kind::new("exec").with("command", words);
    if let Some(user) = user {
        kind = kind.with("user", user);
    }
    Some(if is_dynamic {
        kind.with("advice", true)
    } else {
        kind
    })
}

/// The program within a shell that prints a weight.
fn dynamic(words: Vec<String>, location: SourceLocation, notes: &mut Notes) -> Vec<String> {
    let text = "`misc_dynamic` is done by a shell around the program, which prints the weight \
                that the exit status is: a program that a signal ends counts as one with an \
                exit status above 128, and so as a weight";
    notes.add(location, text);
    let shell = ["/bin/sh", "-c", DYNAMIC, "sh"].map(str::to_owned);
    shell.into_iter().chain(words).collect()
}

/// Words between blanks; single quotes keep blanks.
pub(in crate::import) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for character in text.chars() {
        match character {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            _ if character.is_whitespace() && !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// The real server's address, and its port after the address, as what stands for
/// them in a command: then real servers of one service have the same command.
pub(in crate::import) fn with_placeholders(words: Vec<String>, target: Target) -> Vec<String> {
    let port = target
        .port
        .filter(|port| Some(*port) == target.service_port);
    let port = port.map(|port| port.to_string());
    let mut after_address = false;
    let words = words.into_iter().enumerate().map(|(index, word)| {
        if index == 0 {
            return word;
        }
        let (before, address) = (after_address, target.address);
        after_address = word.parse() == Ok(address);
        if after_address {
            return ADDRESS.to_owned();
        }
        let is_port = |text: &str| Some(text) == port.as_deref();
        if before && is_port(&word) {
            return PORT.to_owned();
        }
        match word.rsplit_once(':') {
            Some((host, end)) if is_port(end) && is_address(host, address) => {
                format!("{ADDRESS}:{PORT}")
            }
            _ => word,
        }
    });
    words.collect()
}

fn is_address(text: &str, address: IpAddr) -> bool {
    address.is_ipv4() && text.parse() == Ok(address)
}
