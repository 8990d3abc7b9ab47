//! Services as a configuration file: each is written by the serializer, below
//! comments with what there is to know of it.

use std::time::Duration;

use serde_yaml::{Mapping, Value};

use super::Format;
use super::check::duration;
use super::conversion::Service;
use super::note::{Notes, SourceLocation};
use crate::config::{Config, ConfigErrors, LONGEST_TIMEOUT};
use crate::runtime::printable::printable;

/// The width of comments, in characters.
const WIDTH: usize = 98;

/// IPVS's time-outs in seconds, by the key of `timeouts`.
pub(super) type Timeouts = Vec<(&'static str, u64)>;

/// A time-out in seconds, or the nearest that our configuration takes.
pub(super) fn timeout(key: &str, seconds: u32, location: SourceLocation, notes: &mut Notes) -> u64 {
    let taken = u64::from(seconds).clamp(1, LONGEST_TIMEOUT);
    if taken != u64::from(seconds) {
        let text = format!(
            "the time-out of {key} is {seconds}s there, and from 1s to 24days here: {} is written",
            duration(Duration::from_secs(taken))
        );
        notes.add(location, text);
    }
    taken
}

/// How many services are looked at one by one, if all together are not valid.
const MOST_SINGLE: usize = 20_000;

/// The file, which is valid; `None` if it would have no service. `count` is the number of drafts.
pub(super) fn yaml(
    format: Format,
    name: &str,
    count: usize,
    services: &[Service],
    timeouts: &Timeouts,
    notes: &mut Notes,
) -> Result<Option<String>, ConfigErrors> {
    let mut entries: Vec<_> = services
        .iter()
        .map(|service| service_entry(service, notes))
        .collect();
    let text = file(format, name, count, &entries, timeouts, notes);
    match Config::parse("-", &text) {
        Ok(_) => return Ok(Some(text)),
        Err(errors) if entries.len() > MOST_SINGLE => return Err(errors),
        Err(_) => {}
    }
    let written = entries.iter_mut().zip(services);
    for (entry, service) in written.filter(|(entry, _)| !entry.is_refused) {
        let Err(errors) = Config::parse("-", &format!("virtual_services:\n{}", entry.text)) else {
            continue;
        };
        entry.is_refused = true;
        for report in errors.reports() {
            let (message, hint) = (report.message(), report.hint());
            let text = format!("the service stands here as a comment only: {message}; {hint}");
            note(service, &text, notes);
        }
    }
    if entries.iter().all(|entry| entry.is_refused) {
        return Ok(None);
    }
    let text = file(format, name, count, &entries, timeouts, notes);
    Config::parse("-", &text).map(|_| Some(text))
}

/// An entry of `virtual_services`.
struct Entry {
    /// The index of its draft.
    index: usize,
    text: String,
    /// Whether our own reader refuses it.
    is_refused: bool,
}

fn service_entry(service: &Service, notes: &mut Notes) -> Entry {
    let list = Value::Sequence(vec![Value::Mapping(service.keys.clone())]);
    let text = serde_yaml::to_string(&list);
    if let Err(error) = &text {
        let text = format!("the service is left out, since it cannot be written: {error}");
        note(service, &text, notes);
    }
    Entry {
        index: service.index,
        is_refused: text.is_err(),
        text: text.unwrap_or_default(),
    }
}

fn note(service: &Service, text: &str, notes: &mut Notes) {
    notes.set_service(Some(service.index));
    notes.add(service.location, text);
    notes.set_service(None);
}

fn file(
    format: Format,
    name: &str,
    count: usize,
    entries: &[Entry],
    timeouts: &Timeouts,
    notes: &Notes,
) -> String {
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
    let mut entries = entries.iter().peekable();
    for index in 0..=count {
        for note in notes_on(Some(index)) {
            comment(&mut text, note);
        }
        match entries.next_if(|entry| entry.index == index) {
            Some(entry) if entry.is_refused => {
                for line in entry.text.lines() {
                    text.push_str("#  ");
                    text.push_str(&printable(line));
                    text.push('\n');
                }
            }
            Some(entry) => text.push_str(&entry.text),
            None => {}
        }
    }
    text
}

fn director(timeouts: &Timeouts) -> String {
    let timeouts = timeouts.iter().map(|(key, seconds)| {
        let time = duration(Duration::from_secs(*seconds));
        (Value::from(*key), Value::from(time))
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
