//! The section of one virtual server.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::ExpansionBudget;
use super::super::check::Timing;
use super::super::draft::{Draft, Key, Netmask, Persistence, SorryServer};
use super::super::note::Notes;
use super::checks::SectionChecks;
use super::keys::{Section, Setting, note, note_cleanstop};
use super::real_server::{address, address_and_port, forwarding, port, real_servers};
use crate::model::{Family, Protocol};

/// ldirectord's defaults, in seconds.
const CHECK_INTERVAL: u32 = 10;
const CHECK_TIMEOUT: u32 = 5;
const NEGOTIATE_TIMEOUT: u32 = 30;

/// Keys that are read below.
pub(super) const READ: [&str; 26] = [
    "real",
    "real6",
    "request",
    "receive",
    "checktype",
    "checkcommand",
    "checktimeout",
    "negotiatetimeout",
    "checkcount",
    "failurecount",
    "checkinterval",
    "checkport",
    "scheduler",
    "persistent",
    "schedflags",
    "netmask",
    "protocol",
    "ops",
    "service",
    "httpmethod",
    "virtualhost",
    "fallback",
    "fallback6",
    "quiescent",
    "cleanstop",
    "servicename",
];

/// The service of a section; `None`, with a note, if it has none that is known here.
pub(super) fn service(
    section: &Section,
    global: &Section,
    budget: &mut ExpansionBudget,
    notes: &mut Notes,
) -> Option<Draft> {
    let key = key(section, notes)?;
    let mut draft = Draft::new(section.location, key);
    draft.label = section.value("servicename").map(str::to_owned);
    section
        .value("scheduler")
        .unwrap_or("wrr")
        .clone_into(&mut draft.scheduler);
    draft.one_packet = section.value("ops") == Some("yes");
    flags(section, &mut draft, notes);
    draft.persistence = persistence(section, notes);
    draft.on_failure = Some(on_failure(section, global, notes));
    draft.sorry_server = fallback(section, global, &draft.key, notes);
    let is_ping = section.value("checktype") == Some("ping");
    let checked = SectionChecks {
        section,
        key: &draft.key,
        connect: timing(section, global, false, is_ping, notes),
        negotiate: timing(section, global, true, is_ping, notes),
    };
    let servers = real_servers(section, &checked, budget, notes);
    draft.real_servers = servers;
    for setting in &section.settings {
        match setting.key.as_str() {
            "cleanstop" => note_cleanstop(setting, notes),
            key if READ.contains(&key) => {}
            _ => note(setting, notes),
        }
    }
    Some(draft)
}

fn key(section: &Section, notes: &mut Notes) -> Option<Key> {
    let (text, location) = (section.head.as_str(), section.location);
    let family = if section.is_ipv6 {
        Family::Ipv6
    } else {
        Family::Ipv4
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let mark = text.parse().ok();
        if mark.is_none() {
            let text = format!(
                "the virtual server {text} is left out: a firewall mark is at most 4294967295"
            );
            notes.add(location, text);
        }
        return mark.map(|mark| Key::Mark { mark, family });
    }
    let (host, name) = text.rsplit_once(':').unwrap_or((text, ""));
    let protocol = match section.value("protocol") {
        Some("udp") => Protocol::Udp,
        None if ["53", "domain"].contains(&name) => Protocol::Udp,
        Some(_) | None => Protocol::Tcp,
    };
    let setting = section.get("protocol");
    if let Some(setting) = setting.filter(|one| !["tcp", "udp"].contains(&one.value.as_str())) {
        note(setting, notes);
    }
    match (address(host), port(name)) {
        (Some(address), Some(port)) if Family::from(address) == family => Some(Key::Addresses {
            protocol,
            addresses: vec![SocketAddr::new(address, port)],
        }),
        _ => {
            let text = format!(
                "the virtual server `{text}` is left out: write an IP address ({family}) and \
                 the number of a port, since names are not looked up"
            );
            notes.add(location, text);
            None
        }
    }
}

fn flags(section: &Section, draft: &mut Draft, notes: &mut Notes) {
    let Some(setting) = section.get("schedflags") else {
        return;
    };
    for flag in setting.value.split(',') {
        match flag.trim() {
            "flag-1" | "sh-fallback" | "mh-fallback" => draft.fallback = true,
            "flag-2" | "sh-port" | "mh-port" => draft.by_port = true,
            flag => notes.note_unsupported(setting.location, "schedflags", &format!("= {flag}")),
        }
    }
}

fn persistence(section: &Section, notes: &mut Notes) -> Option<Persistence> {
    let netmask = section.get("netmask");
    let Some(seconds) = section.number("persistent", notes) else {
        netmask.inspect(|setting| note(setting, notes));
        return None;
    };
    let netmask = netmask.and_then(|setting| {
        let text = setting.value.as_str();
        let mask = text.parse().map(Netmask::Mask);
        let mask = mask
            .or_else(|_| text.parse().map(Netmask::PrefixLength))
            .ok();
        if mask.is_none() {
            note(setting, notes);
        }
        mask
    });
    Some(Persistence {
        seconds: seconds.into(),
        netmask,
        engine: None,
    })
}

fn on_failure(section: &Section, global: &Section, notes: &mut Notes) -> &'static str {
    match section
        .value("quiescent")
        .or_else(|| global.value("quiescent"))
    {
        Some("yes") => "quiesce",
        Some(_) => "remove",
        None => {
            let text = "without `quiescent` the manual page of ldirectord says `yes`, and the \
                        program does as with `no`, which is written: `on_failure: remove`; \
                        write `quiesce` to keep a failed real server with weight 0";
            notes.once("quiescent", section.location, text);
            "remove"
        }
    }
}

/// The section's own, or the global one of its family.
fn fallback(
    section: &Section,
    global: &Section,
    key: &Key,
    notes: &mut Notes,
) -> Option<SorryServer> {
    let name = match key.family() {
        Family::Ipv4 => "fallback",
        Family::Ipv6 => "fallback6",
    };
    let setting = section.get(name).or_else(|| global.get(name))?;
    let server = sorry_server(setting);
    if server.is_none() {
        let text = format!(
            "`{name} = {}` is left out: write an IP address and the number of a port, since \
             names are not looked up",
            setting.value
        );
        notes.add(setting.location, text);
    }
    server
}

fn sorry_server(setting: &Setting) -> Option<SorryServer> {
    let mut words = setting.value.split_whitespace();
    let (address, port) = address_and_port(words.next()?)?;
    let forwarding = match words.next() {
        None => forwarding("gate"),
        Some(word) => forwarding(word),
    };
    Some(SorryServer {
        location: setting.location,
        address,
        port,
        forwarding: Some(forwarding?),
    })
}

/// The first failure after `failurecount` counts, and one success brings a real
/// server back. A time-out that is not written is that of the other kind.
fn timing(
    section: &Section,
    global: &Section,
    negotiates: bool,
    is_ping: bool,
    notes: &mut Notes,
) -> Timing {
    let of = |key, notes: &mut Notes| {
        let own = section.number(key, notes);
        own.or_else(|| global.number(key, notes))
    };
    let (check, negotiate) = (of("checktimeout", notes), of("negotiatetimeout", notes));
    let timeout = if negotiates {
        negotiate.or(check).unwrap_or(NEGOTIATE_TIMEOUT)
    } else {
        check.or(negotiate).unwrap_or(CHECK_TIMEOUT)
    };
    let forks = global.value("fork") == Some("yes");
    let own_interval = section.get("checkinterval").filter(|_| !forks);
    if let Some(setting) = own_interval {
        let text = "`checkinterval` of a virtual server is left out, as ldirectord does without \
                    `fork = yes`: write `interval` of `check`";
        notes.add(setting.location, text);
    }
    let interval = match (forks, section.number("checkinterval", notes)) {
        (true, Some(own)) => Some(own),
        _ => global.number("checkinterval", notes),
    };
    let failures = of("failurecount", notes).unwrap_or(1);
    let attempts = of("checkcount", notes).filter(|_| is_ping).unwrap_or(1);
    let text = "ldirectord sleeps `checkinterval` after it has asked all real servers, one after \
                the other; here each is asked every `interval`, at the same time as the others";
    notes.once("interval", section.location, text);
    let seconds = |number: u32| Duration::from_secs(number.into());
    let intervals = (seconds(interval.unwrap_or(CHECK_INTERVAL)), None);
    let fall = failures.saturating_mul(attempts);
    Timing::new(intervals, seconds(timeout), fall, section.location, notes)
}
