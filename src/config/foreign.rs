//! Files and keys of other programs that do the same.

use super::node::Location;
use super::problem::Problem;
use super::syntax::lines;

/// The first words of a line, a sign that it has, the program's name for such a file, and what
/// `lvs-agent import` calls the format.
type Format = (
    &'static [&'static str],
    Option<&'static str>,
    &'static str,
    Option<&'static str>,
);

/// How a line of another program's file begins, in words: none of them is YAML.
const FORMATS: [Format; 4] = [
    (
        &[
            "virtual_server",
            "virtual_server_group",
            "vrrp_instance",
            "vrrp_sync_group",
            "vrrp_script",
            "global_defs",
        ],
        Some("{"),
        "a configuration of keepalived",
        Some("keepalived"),
    ),
    (
        &["virtual=", "virtual", "checktype=", "quiescent="],
        Some("="),
        "a configuration of ldirectord",
        Some("ldirectord"),
    ),
    (
        &["-A", "-a"],
        Some("-"),
        "a table of `ipvsadm --save`",
        Some("ipvsadm"),
    ),
    (
        &["frontend", "backend", "listen"],
        None,
        "a configuration of HAProxy",
        None,
    ),
];

/// Whether the text is a file of another program, and not YAML.
pub(super) fn other_format(text: &str) -> Option<Problem> {
    if lines(text).any(|line| line.starts_with("virtual_services")) {
        return None;
    }
    (1..).zip(lines(text)).find_map(|(number, line)| {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let (.., program, format) = FORMATS.iter().find(|(firsts, sign, ..)| {
            let known = firsts
                .iter()
                .any(|known| first == *known || (known.ends_with('=') && first.starts_with(known)));
            let signed = sign.is_none_or(|sign| match sign {
                "-" => line.contains(" -t ") || line.contains(" -u ") || line.contains(" -f "),
                "{" => line.trim_end().ends_with('{') || !line.contains(':'),
                sign => line.contains(sign),
            });
            known
                && signed
                && (sign.is_some() || (words.clone().count() == 1 && !line.contains(':')))
        })?;
        let column = line.chars().take_while(|c| c.is_whitespace()).count() + 1;
        Some(Problem {
            location: Some(Location::new(number, column, first.chars().count())),
            message: format!("this is {program}, not one of lvs-agent"),
            hint: match format {
                Some(format) => format!(
                    "`lvs-agent import {format} FILE` prints it as a configuration of lvs-agent"
                ),
                None => "write the services in YAML below `virtual_services:`, \
                         as in config/cluster.yaml and in README.md"
                    .to_owned(),
            },
        })
    })
}

/// A line for each key of another program, as the file says.
const KEYS: &str = include_str!("foreign/keys.txt");

/// A line of [`KEYS`].
struct ForeignKey {
    program: &'static str,
    name: &'static str,
    ours: &'static str,
    is: &'static str,
}

fn keys() -> impl Iterator<Item = ForeignKey> {
    KEYS.lines().filter_map(|line| {
        let mut fields = line.splitn(4, " | ");
        Some(ForeignKey {
            program: fields.next()?,
            name: fields.next()?,
            ours: fields.next()?,
            is: fields.next()?,
        })
    })
}

/// What is written here in place of a program's key.
pub(crate) fn meaning(program: &str, name: &str) -> Option<&'static str> {
    let key = keys().find(|key| key.program == program && key.name == name)?;
    Some(key.is)
}

/// What is written here in place of another program's key; first the key, if
/// one of these takes its place.
pub(super) fn key(key: &str, known: &[&'static str]) -> Option<(Option<&'static str>, String)> {
    let ForeignKey {
        program,
        name,
        ours,
        is,
    } = keys().find(|foreign| foreign.name == key)?;
    let ours = known.contains(&ours).then_some(ours);
    let owner = if program.ends_with('s') {
        format!("{program}'")
    } else {
        format!("{program}'s")
    };
    Some((ours, format!("{owner} `{name}` is {is}")))
}

#[cfg(test)]
mod tests;
