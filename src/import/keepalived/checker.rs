//! The checkers of a real server.

use std::net::IpAddr;
use std::time::Duration;

use serde_yaml::Value;

use super::super::check::{Check, Kind, regex, step};
use super::super::draft::DraftCheck;
use super::super::note::Notes;
use super::blocks::Statement;
use super::settings::{Defaults, Settings, timer};
use super::target::Target;
use super::tls::ClientTls;
use super::{http, script, udp};

/// The name by which keepalived greets a mail server.
const HELO: &str = "smtpchecker.keepalived.org";

/// What checkers have in common.
#[derive(Debug, Default)]
struct Connection {
    port: Option<u16>,
    source: Option<IpAddr>,
    interface: Option<String>,
}

/// All checkers of one real server.
#[derive(Clone, Copy)]
pub(super) struct Checkers<'a> {
    pub(super) target: Target,
    pub(super) settings: &'a Settings,
    pub(super) tls: &'a ClientTls,
}

impl Checkers<'_> {
    /// Whether the keyword is a checker.
    pub(super) fn has(keyword: &str) -> bool {
        const NAMES: [&str; 10] = [
            "HTTP_GET",
            "SSL_GET",
            "TCP_CHECK",
            "SMTP_CHECK",
            "DNS_CHECK",
            "MISC_CHECK",
            "PING_CHECK",
            "UDP_CHECK",
            "BFD_CHECK",
            "FILE_CHECK",
        ];
        NAMES.contains(&keyword)
    }

    /// What all of them ask together.
    pub(super) fn check(self, statements: &[&Statement], notes: &mut Notes) -> DraftCheck {
        if statements.is_empty() {
            return DraftCheck::Never;
        }
        let asked = self.asked(statements, notes);
        asked.map_or(DraftCheck::Unknown, |check| DraftCheck::By(Box::new(check)))
    }

    /// The same; `None` if none of them can be asked here.
    fn asked(self, statements: &[&Statement], notes: &mut Notes) -> Option<Check> {
        let checks: Vec<_> = statements
            .iter()
            .filter_map(|statement| self.one(statement, notes))
            .collect();
        let location = statements.first()?.location;
        let first = checks.first()?;
        let like_first = |check: &Check| {
            (&check.timing, check.source, &check.interface)
                == (&first.timing, first.source, &first.interface)
        };
        if !checks.iter().all(like_first) {
            let text = "the checkers of this real server differ in times, source or interface; \
                        here they are one check, with those of the first";
            notes.add(location, text);
        }
        let first = first.clone();
        let kinds = checks.into_iter().map(|check| check.kind).collect();
        Some(Check {
            kind: Kind::all(kinds)?,
            ..first
        })
    }

    fn one(self, statement: &Statement, notes: &mut Notes) -> Option<Check> {
        let mut own = Settings::default();
        let mut connection = Connection::default();
        let mut special = Vec::new();
        for inner in statement.block() {
            if !own.read(inner, notes) && !connection.read(inner, self.target.address, notes) {
                special.push(inner);
            }
        }
        let settings = own.or(self.settings);
        let port = connection.port.or(self.target.port);
        let kind = self.kind(statement, &special, &settings, port, notes)?;
        let keyword = statement.keyword();
        let timeout = (keyword == "MISC_CHECK").then(|| misc_timeout(&special, &settings, notes));
        let (defaults, location) = (defaults(keyword), statement.location);
        Some(Check {
            timing: settings.timing(defaults, timeout, location, notes),
            source: connection.source,
            interface: connection.interface,
            kind,
        })
    }

    /// What is asked.
    fn kind(
        self,
        statement: &Statement,
        special: &[&Statement],
        settings: &Settings,
        port: Option<u16>,
        notes: &mut Notes,
    ) -> Option<Kind> {
        let keyword = statement.keyword();
        let is_over_port = ["TCP_CHECK", "SMTP_CHECK", "UDP_CHECK"].contains(&keyword);
        if is_over_port && self.target.needs_port && port.is_none() {
            let text = format!(
                "`{keyword}` without `connect_port` asks no port of a service by firewall mark: \
                 a ping is written; write the port that it should ask"
            );
            notes.add(statement.location, text);
            note_all_unsupported(special, notes);
            return Some(Kind::new("ping"));
        }
        match keyword {
            "HTTP_GET" => http::kind(special, None, settings, port, notes),
            "SSL_GET" => http::kind(special, Some(self.tls), settings, port, notes),
            "TCP_CHECK" => {
                note_all_unsupported(special, notes);
                Some(Kind::new("tcp").at_port(port))
            }
            "PING_CHECK" => {
                note_all_unsupported(special, notes);
                Some(Kind::new("ping"))
            }
            "SMTP_CHECK" => Some(smtp(special, self.target, port, notes)),
            "UDP_CHECK" => Some(udp::kind(special, port, statement.location, notes)),
            "DNS_CHECK" => Some(dns(special, port, notes)),
            "MISC_CHECK" => script::kind(special, self.target, statement.location, notes),
            _ => {
                let text = format!(
                    "`{keyword}` is left out: it has no equal here; the check `file` reads a \
                     weight, or `down`, from a file, and `exec` runs a program"
                );
                notes.add(statement.location, text);
                None
            }
        }
    }
}

/// What a kind of checker has where nothing is written.
fn defaults(keyword: &str) -> Defaults {
    let (retry, delay) = match keyword {
        "HTTP_GET" | "SSL_GET" => (1, Some(3)),
        "DNS_CHECK" => (3, None),
        "MISC_CHECK" => (0, Some(1)),
        _ => (1, Some(1)),
    };
    Defaults {
        retry,
        delay_before_retry: delay.map(Duration::from_secs),
    }
}

/// Keywords that their checker does not have.
pub(super) fn note_all_unsupported(special: &[&Statement], notes: &mut Notes) {
    for inner in special {
        inner.note_unsupported(notes);
    }
}

fn misc_timeout(special: &[&Statement], settings: &Settings, notes: &mut Notes) -> Duration {
    let timeout = special
        .iter()
        .find(|inner| inner.keyword() == "misc_timeout");
    let timeout = timeout.and_then(|inner| timer(inner, notes));
    timeout.unwrap_or_else(|| settings.interval())
}

impl Connection {
    /// Whether the keyword is one of these.
    fn read(&mut self, inner: &Statement, real_server: IpAddr, notes: &mut Notes) -> bool {
        let text = inner.argument(0);
        match inner.keyword() {
            "connect_ip" => {
                if text.parse() != Ok(real_server) {
                    let text = format!(
                        "`connect_ip {text}` is left out: a check asks the real server's own \
                         address"
                    );
                    notes.add(inner.location, text);
                }
            }
            "connect_port" => {
                self.port = text.parse().ok();
                if self.port.is_none() {
                    super::settings::note_invalid(inner, "port", notes);
                }
            }
            "bindto" => match text.parse() {
                Ok(source) => self.source = Some(source),
                Err(_) => super::settings::note_invalid(inner, "IP address", notes),
            },
            "bind_if" => self.interface = Some(text.to_owned()),
            "bind_port" | "fwmark" => inner.note_unsupported(notes),
            _ => return false,
        }
        true
    }
}

fn smtp(special: &[&Statement], target: Target, port: Option<u16>, notes: &mut Notes) -> Kind {
    let mut helo = HELO;
    let mut port = port;
    for inner in special {
        match inner.keyword() {
            "helo_name" => helo = inner.argument(0),
            "host" => port = smtp_host(inner, target, notes).or(port),
            _ => inner.note_unsupported(notes),
        }
    }
    let steps = [
        step("expect", regex("^220")),
        step("send", format!("HELO {helo}\r\n")),
        step("expect", regex("^250")),
        step("send", "QUIT\r\n"),
        step("expect", regex("^221")),
    ];
    Kind::new("tcp").at_port(port).with("steps", steps.to_vec())
}

/// The port of a `host` block, if the block is about the real server itself.
fn smtp_host(host: &Statement, target: Target, notes: &mut Notes) -> Option<u16> {
    let connect_ip = host
        .block()
        .iter()
        .find(|inner| inner.keyword() == "connect_ip");
    if let Some(inner) = connect_ip
        && inner.argument(0).parse() != Ok(target.address)
    {
        let text = format!(
            "the `host` block of {} is left out: a check asks the real server's own address",
            inner.argument(0)
        );
        notes.add(host.location, text);
        return None;
    }
    let mut own = Connection::default();
    for inner in host.block() {
        if !own.read(inner, target.address, notes) {
            inner.note_unsupported(notes);
        }
    }
    if own.source.is_some() || own.interface.is_some() {
        let text = "the source of this `host` is left out: write `source` of `check`";
        notes.add(host.location, text);
    }
    own.port
}

fn dns(special: &[&Statement], port: Option<u16>, notes: &mut Notes) -> Kind {
    let (mut name, mut record) = (".", "SOA");
    for inner in special {
        match inner.keyword() {
            "name" => name = inner.argument(0),
            "type" => record = inner.argument(0),
            _ => inner.note_unsupported(notes),
        }
    }
    let kind = Kind::new("dns").at_port(port).with("name", name);
    if record == "A" {
        kind
    } else {
        kind.with("type", Value::from(record.to_ascii_uppercase()))
    }
}
