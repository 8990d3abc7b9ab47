//! `checktype` and `service`: what ldirectord asks of a real server.

use std::net::IpAddr;

use hickory_proto::rr::Name;
use serde_yaml::{Mapping, Value};

use super::super::check::{Check, Kind, Timing, pattern, regex, step};
use super::super::draft::{DraftCheck, Key};
use super::super::note::{Notes, SourceLocation};
use super::keys::Section;
use crate::config::{ADDRESS, PORT};
use crate::model::Protocol;

/// What is asked by default at a port.
const SERVICES: [(u16, &str); 19] = [
    (21, "ftp"),
    (25, "smtp"),
    (53, "dns"),
    (80, "http"),
    (110, "pop"),
    (119, "nntp"),
    (143, "imap"),
    (389, "ldap"),
    (443, "https"),
    (587, "submission"),
    (636, "ldaps"),
    (993, "imaps"),
    (995, "pops"),
    (1521, "oracle"),
    (1812, "radius"),
    (3128, "http_proxy"),
    (3306, "mysql"),
    (5432, "pgsql"),
    (5060, "sip"),
];

/// The checks of one section.
pub(super) struct SectionChecks<'s> {
    pub(super) section: &'s Section,
    pub(super) key: &'s Key,
    /// The times of a check that connects, and of one that negotiates.
    pub(super) connect: Timing,
    pub(super) negotiate: Timing,
}

/// What a negotiating check asks one real server.
struct CheckSettings<'a> {
    port: Option<u16>,
    request: &'a str,
    receive: &'a str,
    location: SourceLocation,
}

impl SectionChecks<'_> {
    fn checktype(&self) -> &str {
        self.section.value("checktype").unwrap_or("negotiate")
    }

    /// Whether real servers get connections at all.
    pub(super) fn serves(&self) -> bool {
        self.checktype() != "off"
    }

    /// `settings` are a request and what must come, in place of the section's.
    pub(super) fn check(
        &self,
        own_port: Option<u16>,
        settings: Option<(&str, &str)>,
        location: SourceLocation,
        notes: &mut Notes,
    ) -> DraftCheck {
        let port = self.port(own_port, notes);
        let own = |key| self.section.value(key).unwrap_or_default();
        let location = match settings {
            Some(_) => location,
            None => self.location("service"),
        };
        let (request, receive) = settings.unwrap_or_else(|| (own("request"), own("receive")));
        let settings = CheckSettings {
            port,
            request,
            receive,
            location,
        };
        let head = self.location("checktype");
        let connect = |kind| DraftCheck::By(Box::new(Check::new(kind, self.connect.clone())));
        match self.checktype() {
            "connect" => connect(self.connection(port)),
            "ping" => connect(Kind::new("ping")),
            "external" | "external-perl" => {
                let external = self.external(own_port, notes);
                external.map_or(DraftCheck::Unknown, connect)
            }
            "on" => DraftCheck::Never,
            "off" => {
                let text = "`checktype = off` activates no real server: all have weight 0 here, \
                            until you write their weights";
                notes.add(head, text);
                connect(self.connection(port))
            }
            "negotiate" => self.negotiate(&settings, notes),
            number => {
                let text = format!(
                    "`checktype = {number}` is left out, and each check negotiates: there are no \
                     connections without a request in between"
                );
                notes.add(head, text);
                self.negotiate(&settings, notes)
            }
        }
    }

    /// Where a key is written, or else the section.
    fn location(&self, key: &str) -> SourceLocation {
        let setting = self.section.get(key);
        setting.map_or(self.section.location, |setting| setting.location)
    }

    /// The port that is asked.
    fn port(&self, own_port: Option<u16>, notes: &mut Notes) -> Option<u16> {
        let checkport = self.section.number("checkport", notes);
        let checkport = checkport.and_then(|number| {
            let port = u16::try_from(number).ok();
            if port.is_none() {
                let text = format!("`checkport = {number}` is left out: a port is at most 65535");
                notes.add(self.location("checkport"), text);
            }
            port
        });
        let service = self.service();
        let default = SERVICES.iter().find(|(_, name)| *name == service);
        checkport
            .or(own_port)
            .or(self.key.port())
            .or(default.map(|(port, _)| *port))
    }

    fn service(&self) -> &str {
        let by_port = || {
            let port = self.key.port();
            let known = SERVICES.iter().find(|(known, _)| Some(*known) == port);
            known.map_or("none", |(_, service)| *service)
        };
        self.section.value("service").unwrap_or_else(by_port)
    }

    /// UDP has no connections: ldirectord pings.
    fn connection(&self, port: Option<u16>) -> Kind {
        match (self.key.protocol(), port) {
            (Some(Protocol::Tcp) | None, Some(_)) => Kind::new("tcp").at_port(port),
            (Some(Protocol::Tcp), None) => Kind::new("tcp"),
            _ => Kind::new("ping"),
        }
    }

    fn external(&self, own: Option<u16>, notes: &mut Notes) -> Option<Kind> {
        let setting = self.section.get("checkcommand");
        let command = setting.map_or("/bin/true", |setting| setting.value.as_str());
        let location = setting.map_or(self.section.location, |setting| setting.location);
        if !command.starts_with('/') {
            let text = format!(
                "`checkcommand = {command}` is left out: `exec` takes the absolute path of a \
                 program; write it"
            );
            notes.add(location, text);
            return None;
        }
        if self.checktype() == "external-perl" {
            let text = "`external-perl` runs the script as a program here: it must be \
                        executable and begin with `#!/usr/bin/perl`";
            notes.add(location, text);
        }
        let text = "a program of `checkcommand` runs as root there, and here as the agent's own \
                    user in the sandbox of the agent's unit; see `exec`";
        notes.once("user", location, text);
        let (service, port) = match self.key {
            Key::Addresses { addresses, .. } => {
                let first = addresses.first()?;
                (first.ip().to_string(), first.port().to_string())
            }
            Key::Mark { mark, .. } => (mark.to_string(), "0".to_owned()),
        };
        let own = match own {
            Some(own) if Some(own) != self.key.port() => own.to_string(),
            Some(_) => PORT.to_owned(),
            None => "0".to_owned(),
        };
        let words = command.split_whitespace().map(str::to_owned);
        let words = words.chain([service, port, ADDRESS.to_owned(), own]);
        let words: Vec<Value> = words.map(Value::from).collect();
        Some(Kind::new("exec").with("command", words))
    }

    fn negotiate(&self, settings: &CheckSettings<'_>, notes: &mut Notes) -> DraftCheck {
        let kind = match self.service() {
            "none" => return DraftCheck::Never,
            "http" => self.http("http", settings, notes),
            "https" => self.http("https", settings, notes).with("verify", false),
            "dns" => dns(settings, notes),
            "simpletcp" => self.simpletcp(settings, notes),
            "smtp" | "submission" => {
                conversation("tcp", &["^220", "EHLO localhost\r\n", "^250"], settings)
            }
            "ftp" => conversation("tcp", &["^220"], settings),
            "pop" => conversation("tcp", &[r"^\+OK"], settings),
            "imap" => conversation("tcp", &[r"^\* OK"], settings),
            "nntp" => conversation("tcp", &["^20[01]"], settings),
            "pops" => conversation("tls", &[r"^\+OK"], settings).with("verify", false),
            "imaps" => conversation("tls", &[r"^\* OK"], settings).with("verify", false),
            "ldaps" => Kind::new("tls")
                .at_port(settings.port)
                .with("verify", false),
            service => {
                let text = format!(
                    "`service = {service}` has no equal here: the check asks for no more than a \
                     connection; `exec` runs a program that speaks {service}"
                );
                notes.add(settings.location, text);
                Kind::simple(self.key.protocol(), settings.port)
            }
        };
        DraftCheck::By(Box::new(Check::new(kind, self.negotiate.clone())))
    }

    fn http(&self, name: &'static str, settings: &CheckSettings<'_>, notes: &mut Notes) -> Kind {
        let mut port = settings.port;
        let mut path = settings.request.to_owned();
        let (plain, encrypted) = (path.strip_prefix("http://"), path.strip_prefix("https://"));
        if let Some(rest) = plain.or(encrypted) {
            let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let other = host
                .rsplit_once(':')
                .and_then(|(_, port)| port.parse().ok());
            port = other.or(port);
            let text = format!(
                "the request `{}` asks another host there: here the real server itself is asked",
                settings.request
            );
            notes.add(settings.location, text);
            path = format!("/{rest}");
        }
        if !path.starts_with('/') {
            path.insert(0, '/');
        }
        let mut kind = Kind::new(name).at_port(port).with("path", path);
        if let Some(host) = self.section.value("virtualhost") {
            kind = kind.with("host", host);
        } else {
            let text = "without `virtualhost` the `Host` header is the real server's address \
                        there, and the VIP here; write `host` if the server tells them apart";
            notes.once("host", settings.location, text);
        }
        let method = self
            .section
            .value("httpmethod")
            .map(str::to_ascii_uppercase);
        let is_head = method.as_deref() == Some("HEAD");
        if let Some(method) = method.filter(|method| !["GET", "HEAD"].contains(&method.as_str())) {
            let text = format!("`httpmethod = {method}` is left out: ldirectord has GET and HEAD");
            notes.add(self.location("httpmethod"), text);
        }
        if is_head {
            kind = kind.with("method", "HEAD");
        }
        let text = "ldirectord follows redirects, and a check here does not: where the answer is \
                    one, write the path that it leads to, or `expect: { status: [200-399] }`";
        notes.once("redirects", settings.location, text);
        if is_head && !settings.receive.is_empty() {
            let text = "`receive` is left out: an answer to `HEAD` has no body";
            notes.add(settings.location, text);
            return kind;
        }
        match received(settings, notes) {
            Some(body) => kind.with("expect", Mapping::from_iter([("body".into(), body)])),
            None => kind,
        }
    }

    /// A text, and a line that must come.
    fn simpletcp(&self, settings: &CheckSettings<'_>, notes: &mut Notes) -> Kind {
        let request = settings.request.replace("\\n", "\n");
        let expected = if settings.receive.contains(['^', '$']) {
            format!("(?m){}", settings.receive)
        } else {
            settings.receive.to_owned()
        };
        let line = CheckSettings {
            receive: &expected,
            ..*settings
        };
        let expected = received(&line, notes);
        if self.key.protocol() == Some(Protocol::Udp) {
            let kind = Kind::new("udp")
                .at_port(settings.port)
                .with("send", request);
            return match expected {
                Some(expected) => kind.with("expect", expected),
                None => kind,
            };
        }
        let sent = (!request.is_empty()).then(|| step("send", request));
        let expected = expected.map(|expected| step("expect", expected));
        let steps: Vec<_> = sent.into_iter().chain(expected).collect();
        let text = "ldirectord closes its side of the connection after the request, and a check \
                    here does not: see that the server answers without that";
        notes.once("simpletcp", settings.location, text);
        Kind::new("tcp").at_port(settings.port).with("steps", steps)
    }
}

/// The expression that must come, if there is one.
fn received(settings: &CheckSettings<'_>, notes: &mut Notes) -> Option<Value> {
    let receive = Some(settings.receive).filter(|receive| !receive.is_empty())?;
    pattern(receive, settings.location, notes)
}

/// A conversation: expressions that must come, and in between what is sent.
fn conversation(name: &'static str, texts: &[&str], settings: &CheckSettings<'_>) -> Kind {
    let steps = texts.iter().map(|text| match text.strip_suffix("\r\n") {
        Some(_) => step("send", *text),
        None => step("expect", regex(text)),
    });
    let steps: Vec<_> = steps.collect();
    Kind::new(name).at_port(settings.port).with("steps", steps)
}

fn dns(settings: &CheckSettings<'_>, notes: &mut Notes) -> Kind {
    let name = settings.request.trim_start_matches('/');
    let kind = Kind::new("dns").at_port(settings.port);
    if let Ok(address) = name.parse::<IpAddr>() {
        let kind = kind
            .with("name", Name::from(address).to_string())
            .with("type", "PTR");
        return match settings.receive {
            "" => kind,
            answer => kind.with("answers", vec![Value::from(answer)]),
        };
    }
    let kind = kind.with("name", name);
    match settings.receive.parse::<IpAddr>() {
        Ok(IpAddr::V6(answer)) => kind
            .with("type", "AAAA")
            .with("answers", vec![Value::from(answer.to_string())]),
        Ok(IpAddr::V4(answer)) => kind.with("answers", vec![Value::from(answer.to_string())]),
        Err(_) => {
            if !settings.receive.is_empty() {
                let text = format!(
                    "`receive = {}` is left out, and any record passes: `answers` takes \
                     addresses, and no expression",
                    settings.receive
                );
                notes.add(settings.location, text);
            }
            kind
        }
    }
}
