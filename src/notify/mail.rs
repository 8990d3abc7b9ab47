//! Events by mail, through the host's own `sendmail`.

use std::sync::Arc;
use std::time::SystemTime;

use super::DeliveryError;
use super::event::Message;
use super::exec;
use crate::config::Mail;

/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 150;

/// Bytes of a line of the body, with its indentation: RFC 5322, section 2.1.1.
const LONGEST_LINE: usize = 998;

/// Of the second line of a field and those that follow.
const INDENTATION: &str = "    ";

/// Gives one mail about the group to the program, which takes it over when it
/// ends with 0.
pub(super) async fn send(mail: &Mail, group: &[Arc<Message>]) -> Result<(), DeliveryError> {
    let mut arguments = vec!["-i".to_owned(), "-f".to_owned(), mail.from.clone()];
    arguments.extend(mail.to.iter().cloned());
    let text = compose(mail, group);
    exec::run(&mail.sendmail, &arguments, Vec::new(), text.into_bytes()).await
}

/// Lines end as they do on this host: the program makes CRLF of them.
fn compose(mail: &Mail, group: &[Arc<Message>]) -> String {
    let at = group
        .last()
        .map_or(SystemTime::UNIX_EPOCH, |message| message.at);
    let headers = [
        ("From", mail.from.clone()),
        ("To", mail.to.join(",\n ")),
        ("Subject", subject(group)),
        ("Date", date(at)),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Content-Transfer-Encoding", "8bit".to_owned()),
        // No answer of an absent person is wanted (RFC 3834).
        ("Auto-Submitted", "auto-generated".to_owned()),
    ];
    let headers = headers.map(|(name, value)| format!("{name}: {value}\n"));
    let events: Vec<_> = group.iter().map(|message| event(message)).collect();
    format!("{}\n{}", headers.concat(), events.join("\n"))
}

/// What happened and where, of the first event; and how many there are.
fn subject(group: &[Arc<Message>]) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let kind = first.event.kind().as_str().replace('_', " ");
    let mut subject = format!("lvs-agent on {}: {kind}", first.host);
    let about = first.event.subject();
    if !about.is_empty() {
        subject.push_str(": ");
        subject.push_str(&about);
    }
    let more = group.len() - 1;
    let more = if more == 0 {
        String::new()
    } else {
        format!(" (and {more} more)")
    };
    let plain = |c: char| {
        if c == ' ' || c.is_ascii_graphic() {
            c
        } else {
            '?'
        }
    };
    let subject = subject.chars().map(plain).take(LONGEST_SUBJECT);
    subject.collect::<String>() + &more
}

/// As RFC 5322, section 3.3, has it; HTTP's form ends in `GMT`.
fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at).replace("GMT", "+0000")
}

/// A line for each field, so that a command in one can be copied; several only for a field
/// that is too long for one.
fn event(message: &Message) -> String {
    let mut text = String::new();
    for (name, value) in message.fields() {
        let line = format!("{name}: {value}");
        let mut rest = line.as_str();
        while rest.len() > LONGEST_LINE - INDENTATION.len() {
            let (piece, after) = rest.split_at(end_of_line(rest));
            text.push_str(piece);
            text.push('\n');
            text.push_str(INDENTATION);
            rest = after.strip_prefix(' ').unwrap_or(after);
        }
        text.push_str(rest);
        text.push('\n');
    }
    text
}

/// Where a text is cut that is too long for a line: at a blank, or within a word that is
/// too long itself.
fn end_of_line(text: &str) -> usize {
    let most = text.floor_char_boundary(LONGEST_LINE - INDENTATION.len());
    let blank = text.get(..most).and_then(|line| line.rfind(' '));
    blank.filter(|end| *end > 0).unwrap_or(most)
}

#[cfg(test)]
mod tests;
