//! The checks `exec` and `file`, which ask the director itself: their settings, and the reading of
//! their mappings.

use std::net::SocketAddr;

use super::super::declaration::{EXEC, FILE, USER};
use super::super::fields::Fields;
use super::super::node::{Content, Entry};
use super::super::problem::{Parsed, Problems};
use super::super::scalar::Value;
use super::super::unexpanded::filled_in;

/// Stands for the real server's address in a command or path.
pub(crate) const ADDRESS: &str = "{address}";
/// Stands for the real server's port in a command or path.
pub(crate) const PORT: &str = "{port}";

/// A check by a program on this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExecCheck {
    /// The program's path and its arguments, in which `{address}` and
    /// `{port}` stand for the real server's.
    pub command: Vec<String>,
    /// Who runs it; `None` for the agent's own user.
    pub user: Option<String>,
    /// Whether the first line of its standard output is advice.
    pub advice: bool,
}

/// A check by a file on this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileCheck {
    /// Its path, in which `{address}` and `{port}` stand for the real server's.
    pub path: String,
}

pub(super) fn exec(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<ExecCheck> {
    let fields = Fields::section(Some(entry), &EXEC, problems)?;
    let command = fields
        .required("command", problems)
        .and_then(|entry| command(entry, problems));
    let user = fields.maybe("user", |value| {
        let is_name = |text: &str| !text.is_empty() && !text.contains(['\0', ':', '\n']);
        value.text(USER, is_name, problems).map(str::to_owned)
    });
    let advice = fields.truth("advice", problems);
    Ok(ExecCheck {
        command: command?,
        user: user?,
        advice: advice?,
    })
}

/// No shell splits a line, so it is a list; the program is found by its path alone.
fn command(entry: &Entry, problems: &mut Problems) -> Parsed<Vec<String>> {
    let wanted = "a list of the program's path and its arguments";
    let hint = "write a list like `[/usr/local/bin/check, \"{address}\"]`";
    let words = Value::of(entry).texts(problems)?;
    let [program, ..] = words.as_slice() else {
        return Err(problems.add(entry.key.location, "the list `command` is empty", hint));
    };
    let reason = if matches!(entry.value.content(), Content::Text(_)) {
        return Err(Value::of(entry).wrong(wanted, hint, problems));
    } else if !program.starts_with('/') {
        "starts with no absolute path"
    } else if words.iter().any(|word| word.contains('\0')) {
        "has a NUL character"
    } else {
        filled_in(&words, entry.value.location, problems);
        return Ok(words);
    };
    let message = format!("`command` {reason}");
    Err(problems.add(entry.value.location, message, hint))
}

pub(super) fn file(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<FileCheck> {
    let fields = Fields::section(Some(entry), &FILE, problems)?;
    let value = fields.value("path", problems)?;
    let path = value.path_text(problems)?;
    filled_in(&[path.to_owned()], value.node.location, problems);
    Ok(FileCheck {
        path: path.to_owned(),
    })
}
