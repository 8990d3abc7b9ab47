use super::*;
use crate::model::{Condition, ConditionType, Severity};
use crate::notify::event::tests::message;
use crate::notify::event::{Event, EventKind};
use crate::status::{ConditionChange, fixture};

fn mail() -> Mail {
    Mail {
        to: vec!["ops@example.com".to_owned(), "root".to_owned()],
        from: "lvs-agent@example.com".to_owned(),
        sendmail: "/usr/sbin/sendmail".to_owned(),
    }
}

fn down() -> Arc<Message> {
    let snapshot = fixture::director();
    let web = &snapshot.services[0];
    let down = Event::of_real_server(EventKind::RealServerDown, web, &web.real_servers[1], "no");
    Arc::new(message(down))
}

#[test]
fn a_mail_says_what_happened_where_and_since_when() {
    assert_eq!(
        compose(&mail(), &[down()]),
        "From: lvs-agent@example.com\n\
         To: ops@example.com,\n root\n\
         Subject: lvs-agent on director1: real server down: web/rs2\n\
         Date: Fri, 02 Jan 2026 03:04:05 +0000\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\
         Auto-Submitted: auto-generated\n\
         \n\
         event: real_server_down\n\
         at: 2026-01-02T03:04:05.000Z\n\
         host: director1\n\
         mode: director\n\
         service: web\n\
         service_address: tcp 192.168.11.200:80\n\
         real_server: rs2\n\
         real_server_address: 192.168.11.22:80\n\
         diagnosis: application_down\n\
         fix: on 192.168.11.22, see whether the service runs: `ss -ltnup 'sport = :80'` and its \
         log; if it does, what a firewall there drops: `nft list ruleset`\n\
         detail: no\n"
    );
}

#[test]
fn several_events_are_one_mail() {
    let agent = Arc::new(message(Event::of_agent(
        EventKind::ReloadSucceeded,
        "reloaded",
    )));
    let text = compose(&mail(), &[down(), agent, down()]);
    let subject = "\nSubject: lvs-agent on director1: real server down: web/rs2 (and 2 more)\n";
    assert!(text.contains(subject), "{text}");
    assert_eq!(text.matches("\nevent: ").count(), 3, "{text}");
    assert!(text.contains("\n\nevent: reload_succeeded\n"), "{text}");
}

/// A command may be longer than the terminal is wide.
#[test]
fn only_a_field_that_is_too_long_for_a_line_is_folded_and_that_between_words() {
    let command = format!("`ip address add {} dev lo`", "192.0.2.1/32 ".repeat(30));
    let word = "w".repeat(40);
    let long = format!("{}{}", format!("{word} ").repeat(20), "x".repeat(150));
    let event = |detail: &str| Arc::new(message(Event::of_agent(EventKind::Drift, detail)));
    let text = compose(&mail(), &[event(&command)]);
    assert!(text.contains(&format!("\ndetail: {command}\n")), "{text}");
    let text = compose(&mail(), &[event(&long)]);
    let detail = text.split_once("\ndetail: ").unwrap().1;
    assert_eq!(detail.lines().count(), 1, "{detail}");
    let longer = format!("{}\u{e9}", long.replace('w', "\u{e9}"));
    let text = compose(&mail(), &[event(&longer)]);
    let detail = text.split_once("\ndetail: ").unwrap().1;
    let words: Vec<_> = detail.split_whitespace().collect();
    assert!(detail.lines().count() > 1, "{detail}");
    assert_eq!(words.join(" "), longer);
}

/// What a condition is about comes from paths and from other hosts.
#[test]
fn no_text_of_an_event_makes_a_header_or_a_long_line() {
    let subject = format!(
        "a\r\nBcc: x@example.com\r\n\r\n{}",
        "\u{e9}\u{202e}".repeat(5000)
    );
    let change = ConditionChange::Raised(Condition {
        kind: ConditionType::FileSystemHung,
        subject,
        severity: Severity::Problem,
        message: "\nBcc: y@example.com\n".repeat(100),
        fix: String::new(),
        since: fixture::start(),
    });
    let text = compose(&mail(), &[Arc::new(message(Event::of_condition(&change)))]);
    assert!(!text.contains('\r'), "{text}");
    let (head, body) = text.split_once("\n\n").unwrap();
    assert_eq!(head.lines().count(), 9, "{head}");
    let is_of_head = |line: &str| line.starts_with("Bcc:");
    assert!(!text.lines().any(is_of_head), "{text}");
    assert!(head.is_ascii(), "{head}");
    assert!(text.lines().all(|line| line.len() <= 998), "{text}");
    assert!(body.contains("condition: file_system_hung\n"), "{body}");
}
