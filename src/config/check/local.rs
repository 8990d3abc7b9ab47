//! The kinds that ask on this host.

use std::net::IpAddr;

use super::super::fields::Fields;
use super::super::literal::filled_in;
use super::super::node::{Content, Entry};
use super::super::problem::{Problems, Read};
use super::super::scalar::Value;
use super::{CheckKind, ExecCheck, FileCheck};

pub(super) fn exec(entry: &Entry, _: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let what = "an exec check";
    let keys = ["command", "user", "advice"];
    let fields = Fields::section(Some(entry), what, &keys, problems)?;
    let hint = "add a line like `command: [/usr/local/bin/check, \"{address}\"]`";
    let command = fields
        .required("command", what, hint, problems)
        .and_then(|entry| command(entry, problems));
    let user = fields.or_default("user", None, |value| {
        let wanted = "the name of a user";
        let hint = "write it like `user: nobody`";
        let text = value.text(wanted, hint, problems)?;
        if text.is_empty() || text.contains(['\0', ':', '\n']) {
            return Err(value.wrong(wanted, hint, problems));
        }
        Ok(Some(text.to_owned()))
    });
    let advice = fields.or_default("advice", false, |value| value.truth(problems));
    Ok(CheckKind::Exec(ExecCheck {
        command: command?,
        user: user?,
        advice: advice?,
    }))
}

/// No shell splits a line, so it is a list; the program is found by its path alone.
fn command(entry: &Entry, problems: &mut Problems) -> Read<Vec<String>> {
    let wanted = "a list of the program's path and its arguments";
    let hint = "write a list like `[/usr/local/bin/check, \"{address}\"]`";
    let words = Value::of(entry).texts(problems)?;
    let [program, ..] = words.as_slice() else {
        return Err(Value::of(entry).wrong(wanted, hint, problems));
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

pub(super) fn file(entry: &Entry, _: Option<IpAddr>, problems: &mut Problems) -> Read<CheckKind> {
    let what = "a file check";
    let fields = Fields::section(Some(entry), what, &["path"], problems)?;
    let hint = "add a line like `path: \"/etc/lvs-agent/weights/{address}\"`";
    let entry = fields.required("path", what, hint, problems)?;
    Value::of(entry).path(None, problems)?;
    let path = Value::of(entry).text("an absolute path", hint, problems)?;
    filled_in(&[path.to_owned()], entry.value.location, problems);
    Ok(CheckKind::File(FileCheck {
        path: path.to_owned(),
    }))
}
