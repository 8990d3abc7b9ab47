//! Events by mail, through the host's own `sendmail`.

use std::sync::Arc;
use std::time::SystemTime;

use super::DeliveryError;
use super::event::Message;
use super::exec;
use crate::config::Mail;

/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 150;

/// Characters of a line of the body, so that its bytes stay below the 998 of RFC
/// 5322, section 2.1.1.
const LONGEST_LINE: usize = 200;

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

/// A line for each field.
fn event(message: &Message) -> String {
    let mut text = String::new();
    for (name, value) in message.fields() {
        let line: Vec<_> = format!("{name}: {value}").chars().collect();
        for (number, piece) in line.chunks(LONGEST_LINE).enumerate() {
            if number > 0 {
                text.push_str("    ");
            }
            text.extend(piece);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests;
