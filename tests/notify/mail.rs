//! Mail through the host's `sendmail`, in whose place a script stands here.

use std::fs;
use std::path::Path;

use crate::support::{PATIENCE, Recorder, until};
use crate::{Bench, script};

/// The mails that the script has taken, each with its arguments before it.
fn mails(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut taken: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "mail"))
        .collect();
    taken.sort();
    taken
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// Keeps each mail in a file of its own; `last` is what the script ends with.
fn sendmail(directory: &Path, last: &str) -> String {
    let text = format!(
        "echo run >>runs; number=$(wc -l <runs)\n\
         {{ echo \"$*\"; cat; }} >\"$number.new\"\n\
         mv \"$number.new\" \"$number.mail\"\n{last}"
    );
    script(directory, &text).display().to_string()
}

#[test]
fn simultaneous_events_are_one_mail() {
    let web = Recorder::start(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    let program = sendmail(directory.path(), "");
    let notify = format!(
        "- name: operators\n  mail:\n    to: [ops@example.com, root]\n    \
         from: lvs-agent@example.com\n    sendmail: {program}"
    );
    let bench = Bench::new(&web, 3);
    let _agent = bench.start(&notify);
    bench.wait_for_notifications("operators", "delivered", 3);
    let mails = mails(directory.path());
    let [mail] = mails.as_slice() else {
        panic!("{mails:?}");
    };
    let (arguments, text) = mail.split_once('\n').unwrap();
    assert_eq!(
        arguments,
        "-i -f lvs-agent@example.com ops@example.com root"
    );
    let (head, body) = text.split_once("\n\n").unwrap();
    let header = |name: &str| {
        let lines = head.lines();
        let mut found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = found.next().unwrap_or_else(|| panic!("{name}: {head}"));
        assert_eq!(found.next(), None, "{head}");
        value.to_owned()
    };
    assert_eq!(header("From"), "lvs-agent@example.com");
    assert!(head.contains("\nTo: ops@example.com,\n root\n"), "{head}");
    let subject = header("Subject");
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let begins = format!("lvs-agent on {host}: real server up: web/rs");
    assert!(subject.starts_with(&begins), "{subject}");
    assert!(subject.ends_with(" (and 2 more)"), "{subject}");
    assert!(header("Date").ends_with(" +0000"), "{head}");
    for n in 1..=3 {
        let line = format!("real_server: rs{n}");
        assert!(body.lines().any(|found| found == line), "{body}");
    }
}

#[test]
fn refused_mail_is_sent_again() {
    let web = Recorder::start(|_| Some(200));
    let directory = tempfile::tempdir().unwrap();
    // EX_TEMPFAIL of sysexits.h, the first time.
    let program = sendmail(directory.path(), "[ \"$number\" -gt 1 ] || exit 75");
    let notify =
        format!("- {{ mail: {{ to: root, from: root, sendmail: {program} }}, group_wait: 0s }}");
    let bench = Bench::new(&web, 1);
    let _agent = bench.start(&notify);
    bench.wait_for_notifications(0, "delivered", 1);
    let mails = mails(directory.path());
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1]);
    assert_eq!(bench.notifications(0, "failed"), 0);
}

#[test]
fn without_sendmail_the_log_says_so_once() {
    let web = Recorder::start(|_| Some(200));
    let notify = "- { name: operators, mail: { to: root, from: root, sendmail: /nonexistent/x }, \
                  group_wait: 0s }";
    let bench = Bench::new(&web, 2);
    let mut agent = bench.start(notify);
    agent.wait_for_line(PATIENCE, |line| {
        line.contains("a notification was not delivered") && line.contains("to=\"operators\"")
    });
    until(PATIENCE, "both counted", || {
        match bench.notifications("operators", "failed") {
            2 => Ok(()),
            other => Err(other),
        }
    });
    let output = agent.output();
    let number = output.matches("a notification was not delivered").count();
    assert_eq!(number, 1, "{output}");
}
