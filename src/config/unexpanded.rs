//! Placeholders, variables and escapes that stay as they are written, where somebody may have
//! meant that something takes their place.

use super::node::{Content, Location, Node};
use super::problem::{Problems, quoted};
use super::spelling::resembling;

/// What `{address}` and `{port}` are called elsewhere.
const OTHER_NAMES: [(&str, &str); 10] = [
    ("ip", "{address}"),
    ("addr", "{address}"),
    ("host", "{address}"),
    ("rip", "{address}"),
    ("server", "{address}"),
    ("real_server", "{address}"),
    ("realserver", "{address}"),
    ("hostaddress", "{address}"),
    ("rport", "{port}"),
    ("server_port", "{port}"),
];

/// What a shell does not hand on to a program.
const SHELL_WORDS: [&str; 10] = ["|", "||", "&", "&&", ";", ">", ">>", "<", "<<", "&>"];

/// Programs that read their arguments as a language of their own.
const INTERPRETERS: [&str; 14] = [
    "sh", "bash", "dash", "ash", "ksh", "zsh", "busybox", "awk", "gawk", "mawk", "perl", "python",
    "python3", "ruby",
];

/// The path of a file, or the words of a command, in which `{address}` and
/// `{port}` stand for the real server's.
pub(super) fn filled_in(texts: &[String], location: Location, problems: &mut Problems) {
    let interpreted = texts.first().is_some_and(|program| {
        let name = program.rsplit('/').next().unwrap_or_default();
        INTERPRETERS.contains(&name)
    });
    for text in texts {
        for name in braced(text) {
            if ["address", "port"].contains(&name) {
                continue;
            }
            let meant = placeholder(name);
            if interpreted && meant.is_none() {
                continue;
            }
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "placeholders are `{address}` and `{port}`".to_owned(),
            };
            let message = format!(
                "{} is no placeholder, and stays as it is",
                quoted(&format!("{{{name}}}"))
            );
            problems.warn(location, message, hint);
        }
        if interpreted {
            continue;
        }
        if SHELL_WORDS.contains(&text.as_str()) || text.starts_with("2>") {
            problems.warn(
                location,
                format!("`{text}` is an argument like any other: no shell reads this"),
                "let a script do it, or `[/bin/sh, -c, \"…\", sh, \"{address}\"]`, where \
                 the address is `$1`",
            );
        }
        if let Some(name) = variable(text).or_else(|| positional(text)) {
            let hint = match placeholder(&name) {
                Some(meant) => format!("write `{meant}`"),
                None => "placeholders are `{address}` and `{port}`; for variables of a shell, \
                         let a program do it that a shell runs"
                    .to_owned(),
            };
            let message = format!(
                "{} stays as it is: no shell reads this",
                quoted(&format!("${name}"))
            );
            problems.warn(location, message, hint);
        }
    }
}

/// A text that is sent as it is.
pub(super) fn sent(text: &str, location: Location, problems: &mut Problems) {
    let is_known = |name: &str| {
        let name = name.to_ascii_lowercase();
        let mut others = OTHER_NAMES.iter();
        name == "address" || name == "port" || others.any(|(other, _)| *other == name)
    };
    let braced = braced(text).find(|name| is_known(name));
    let found = braced
        .map(|name| format!("{{{name}}}"))
        .or_else(|| {
            variable(text)
                .filter(|n| is_known(n))
                .map(|name| format!("${name}"))
        })
        .or_else(|| conversion(text));
    if let Some(found) = found {
        problems.warn(
            location,
            format!("`{found}` stays as it is here: only `exec` and `file` put something in"),
            "write the text itself: it goes to each real server's own address in any case",
        );
    }
}

/// A text that YAML would have read otherwise in double quotes.
pub(super) fn escapes(text: &str, location: Location, problems: &mut Problems) {
    let escape = ["\\r\\n", "\\r", "\\n", "\\t", "\\0", "\\x"];
    if let Some(escape) = escape.into_iter().find(|escape| text.contains(escape)) {
        problems.warn(
            location,
            format!("`{escape}` stays a backslash and a letter here"),
            "put the text in double quotes, like \"PING\\r\\n\"; \
             if the backslash is meant, write it as `{ hex: \"5c\" }`",
        );
    }
}

/// What somebody else should have put in before the file was read.
pub(super) fn unexpanded(text: &str) -> Option<String> {
    // Most texts of a large configuration have none.
    if !text.as_bytes().contains(&b'{') {
        return None;
    }
    if let Some((_, rest)) = text.split_once("${") {
        let (name, _) = rest.split_once('}')?;
        let plain = name.split([':', '-']).next().unwrap_or_default();
        return is_name(plain).then(|| format!("${{{name}}}"));
    }
    let (_, rest) = text.split_once("{{")?;
    let (inside, _) = rest.split_once("}}")?;
    Some(format!("{{{{{inside}}}}}"))
}

/// The remedy for it.
pub(super) const UNEXPANDED_HINT: &str = "the agent puts in no variables: \
     let the tool that makes the file do so, such as `envsubst`";

/// Warns of all texts of the tree in which something was not put in, but those
/// of programs and regular expressions, where it may be meant.
pub(super) fn all_unexpanded(node: &Node, problems: &mut Problems) {
    match node.content() {
        Content::Text(text) => {
            if let Some(found) = unexpanded(text) {
                let message = format!("{} stays as it is", quoted(&found));
                problems.warn(node.location, message, UNEXPANDED_HINT);
            }
        }
        Content::Sequence(nodes) => {
            for node in nodes {
                all_unexpanded(node, problems);
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                if !["command", "exec", "regex"].contains(&&*entry.key.value) {
                    all_unexpanded(&entry.value, problems);
                } else if let Content::Mapping(_) = entry.value.content() {
                    all_unexpanded(&entry.value, problems);
                }
            }
        }
        _ => {}
    }
}

/// The names between a `{` without a `$` before it and a `}`.
fn braced(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let (name, _) = text.get(at + 1..)?.split_once('}')?;
        (!before.ends_with('$') && is_name(name)).then_some(name)
    })
}

/// The name after the first `$` that has one, in braces or not.
fn variable(text: &str) -> Option<String> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let name: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        is_name(&name).then_some(name)
    })
}

/// `$1` to `$9`, `$@` or `$*`, without the `$`.
fn positional(text: &str) -> Option<String> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let first = rest.strip_prefix('{').unwrap_or(rest).chars().next()?;
        (matches!(first, '1'..='9' | '@' | '*')).then(|| first.to_string())
    })
}

/// What other programs put an address, a port or a text in for; percent-encoding
/// has digits of hexadecimal, which these are not.
fn conversion(text: &str) -> Option<String> {
    text.match_indices('%').find_map(|(at, _)| {
        let mut rest = text.get(at + 1..)?.chars();
        let letter = rest.next().filter(|c| ['h', 's', 'p'].contains(c))?;
        let ends = rest.next().is_none_or(|c| !c.is_ascii_alphanumeric());
        ends.then(|| format!("%{letter}"))
    })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The placeholder that was probably meant.
fn placeholder(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    other.map(|(_, meant)| *meant).or_else(|| {
        match resembling(&name, ["address", "port"].into_iter())? {
            "address" => Some("{address}"),
            _ => Some("{port}"),
        }
    })
}
