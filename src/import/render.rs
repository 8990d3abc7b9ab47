//! Services as a configuration file: each is written by the serializer, below
//! comments with what there is to know of it.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::Format;
use super::check::duration;
use super::note::Notes;
use super::settle::Service;
use crate::config::Config;
use crate::runtime::printable::printable;

/// The width of comments, in characters.
const WIDTH: usize = 98;

/// IPVS's time-outs in seconds, by the key of `timeouts`.
pub(super) type Timeouts = Vec<(&'static str, u32)>;

/// The file; `None` if it would have no service. `count` is the number of drafts.
pub(super) fn yaml(
    format: Format,
    name: &str,
    count: usize,
    services: &[Service],
    timeouts: Timeouts,
    notes: &mut Notes,
) -> Option<String> {
    let entries: Vec<_> = services
        .iter()
        .map(|service| (service.index, entry(service, notes)))
        .collect();
    if !entries.iter().any(|(_, entry)| entry.is_ok()) {
        return None;
    }
    let by_service = notes.by_service();
    let none = Vec::new();
    let notes_on = |service| by_service.get(&service).unwrap_or(&none);
    let mut text = String::new();
    let head = format!(
        "From {}, by `lvs-agent import {}`. The comments name what is not as it was there.",
        printable(name),
        format.name()
    );
    comment(&mut text, &head);
    for note in notes_on(None) {
        comment(&mut text, note);
    }
    if !timeouts.is_empty() {
        text.push_str(&director(timeouts));
    }
    text.push_str("virtual_services:\n");
    let mut entries = entries.into_iter().peekable();
    for index in 0..=count {
        for note in notes_on(Some(index)) {
            comment(&mut text, note);
        }
        match entries.next_if(|(of, _)| *of == index) {
            Some((_, Ok(entry))) => text.push_str(&entry),
            Some((_, Err(refused))) => {
                for line in refused.lines() {
                    text.push_str("#  ");
                    text.push_str(&printable(line));
                    text.push('\n');
                }
            }
            None => {}
        }
    }
    Some(text)
}

/// The entry of a service; an error is one that our own reader refuses, with a note.
fn entry(service: &Service, notes: &mut Notes) -> Result<String, String> {
    let list = Value::Sequence(vec![Value::Mapping(service.keys.clone())]);
    let entry = match serde_yaml::to_string(&list) {
        Ok(entry) => entry,
        Err(error) => {
            notes.set_service(Some(service.index));
            notes.add(
                service.place,
                format!("the service cannot be written: {error}"),
            );
            notes.set_service(None);
            return Err(String::new());
        }
    };
    let Err(errors) = Config::parse("-", &format!("virtual_services:\n{entry}")) else {
        return Ok(entry);
    };
    notes.set_service(Some(service.index));
    for report in errors.reports() {
        let text = format!(
            "the service stands here as a comment only: {}; {}",
            report.message(),
            report.hint()
        );
        notes.add(service.place, text);
    }
    notes.set_service(None);
    Err(entry)
}

fn director(timeouts: Timeouts) -> String {
    let timeouts = timeouts.into_iter().map(|(key, seconds)| {
        let time = duration(Duration::from_secs(seconds.into()));
        (Value::from(key), Value::from(time))
    });
    let of = |key: &str, value: Mapping| Mapping::from_iter([(Value::from(key), value.into())]);
    let document = of("director", of("timeouts", timeouts.collect()));
    serde_yaml::to_string(&document).unwrap_or_default()
}

/// Appends a comment, in lines of [`WIDTH`] where the words allow that.
fn comment(text: &mut String, comment: &str) {
    let mut width = 1;
    text.push('#');
    for word in comment.split_whitespace() {
        let length = word.chars().count();
        if width > 1 && width + 1 + length > WIDTH {
            text.push_str("\n#  ");
            width = 3;
        }
        text.push(' ');
        text.push_str(word);
        width += 1 + length;
    }
    text.push('\n');
}
