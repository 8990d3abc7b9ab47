//! What is valid, and still hardly meant: what several keys say together.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::model::{Protocol, Scheduler, ServiceFlags, ServiceKey};

use super::check::WrittenKey;
use super::checked_members::{CheckKeys, checked_members, checks, is_check_taken};
use super::problem::{Problems, quoted};
use super::rules::service_port;
use super::scalar::list;
use super::service::ServiceDraft;
use super::spelling::resembling;
use super::{Check, CheckKind};

/// Ports that HTTP usually has.
const HTTP_PORTS: [u16; 7] = [80, 8000, 8008, 8080, 8081, 8088, 8888];
/// The same for HTTPS.
const HTTPS_PORTS: [u16; 2] = [443, 8443];

/// What other programs call a scheduler.
const OTHER_NAMES: [(&str, &str); 12] = [
    ("roundrobin", "rr"),
    ("round_robin", "rr"),
    ("static_rr", "wrr"),
    ("weighted_roundrobin", "wrr"),
    ("weighted_round_robin", "wrr"),
    ("leastconn", "wlc"),
    ("least_conn", "wlc"),
    ("least_connections", "wlc"),
    ("source", "sh"),
    ("ip_hash", "sh"),
    ("iphash", "sh"),
    ("maglev", "mh"),
];

pub(super) fn check(
    services: &[super::problem::Parsed<ServiceDraft>],
    http: Option<(&str, SocketAddr)>,
    problems: &mut Problems,
) {
    let services = || services.iter().filter_map(|service| service.as_ref().ok());
    let served: BTreeSet<u16> = services().flat_map(ports).collect();
    for service in services() {
        problems.for_service(service.shown_name(), |problems| {
            of_service(service, &served, http, problems);
        });
    }
}

/// What a virtual service says; `served` are the ports of all.
fn of_service(
    service: &ServiceDraft,
    served: &BTreeSet<u16>,
    http: Option<(&str, SocketAddr)>,
    problems: &mut Problems,
) {
    default_check(service, problems);
    unchecked(service, problems);
    scheduler(service, problems);
    for (check, keys) in checks(service) {
        agent(service, check, keys, http, problems);
        timeout(check, keys, problems);
        programs(check, keys, problems);
        // A firewall mark does not say which ports its clients use.
        if service_port(service).is_some_and(|port| port != 0) {
            port(check, keys, served, problems);
        }
    }
}

/// The ports of its real servers, and its own.
fn ports(service: &ServiceDraft) -> impl Iterator<Item = u16> {
    let own = service_port(service);
    let drafts = service.real_servers.iter().flatten().flatten();
    let given = drafts.filter_map(|draft| Some(draft.port.ok()??.value));
    given.chain(own)
}

/// The ports of the real servers that the service's check asks, and its own.
fn default_checked_ports(service: &ServiceDraft) -> impl Iterator<Item = u16> {
    let own = service_port(service);
    let drafts = service.real_servers.iter().flatten().flatten();
    let asked = drafts.filter(|draft| draft.takes_services_check());
    let given = asked.filter_map(|draft| Some(draft.port.ok()??.value));
    given.chain(own)
}

/// HTTP is asked for where the file says nothing else, at the real server's port.
fn default_check(service: &ServiceDraft, problems: &mut Problems) {
    let is_default = service.check_is_default && is_check_taken(service);
    let (true, Ok(name)) = (is_default, &service.name) else {
        return;
    };
    // Over UDP and SCTP the missing check is an error.
    if let Ok(ServiceKey::Address { protocol, .. }) = service.key.map(|key| key.value)
        && protocol != Protocol::Tcp
    {
        return;
    }
    // By firewall mark there is no port, and 80 is asked.
    let unusual = |port: &u16| *port != 0 && !HTTP_PORTS.contains(port);
    let Some(port) = default_checked_ports(service).find(unusual) else {
        return;
    };
    let location = service.check_location.unwrap_or(service.location);
    let message = format!(
        "the file says no check for {}, so `GET /` over HTTP decides, on port {port}",
        quoted(&name.value)
    );
    let hint = if HTTPS_PORTS.contains(&port) {
        "write a check, such as `check: { https: {} }`, or `check: { http: {} }` if that is meant"
    } else {
        "write a check, such as `check: { tcp: {} }`, or `check: { http: {} }` if that is meant"
    };
    problems.warn(location, message, hint);
}

/// Where no check can take a real server down, what is said of failures changes nothing.
fn unchecked(service: &ServiceDraft, problems: &mut Problems) {
    let mut members = checked_members(service).peekable();
    if members.peek().is_none() || members.any(|member| member.check.kind.asks()) {
        return;
    }
    let fail_open_below = service.pool.fail_open_below.ok().flatten();
    let on_failure = service.pool.on_failure.ok().flatten();
    let of_failures = [
        ("fail_open_below", fail_open_below.map(|key| key.location)),
        ("on_failure", on_failure.map(|key| key.location)),
    ];
    for (key, location) in of_failures {
        // A default that has no effect in this service has one in others.
        let Some(location) = location.filter(|place| !problems.is_of_defaults(*place)) else {
            continue;
        };
        problems.warn(
            location,
            format!(
                "`{key}` changes nothing: `check: none` says that no real server of this service \
                 ever fails"
            ),
            format!("remove `{key}`, or write a check"),
        );
    }
}

fn scheduler(service: &ServiceDraft, problems: &mut Problems) {
    let Ok(scheduler) = &service.scheduler else {
        return;
    };
    let location = service.scheduler_location.unwrap_or(service.location);
    let name = scheduler.as_str();
    if !scheduler.is_of_linux() {
        let hint = match scheduler_meant(name) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "schedulers of Linux are {}; another one needs a module `ip_vs_{name}`",
                list(&Scheduler::OF_LINUX, "and")
            ),
        };
        let message = format!("{} is no scheduler of Linux's own", quoted(name));
        problems.warn(location, message, hint);
    }
    // With a sorry server, the flag is there by itself.
    let sorry_server = service.pool.sorry_server.as_ref();
    let fallback = sorry_server.is_ok_and(Option::is_some)
        || service
            .flags
            .is_ok_and(|flags| flags.contains(ServiceFlags::FALLBACK));
    if scheduler.refuses_without_fallback() && !fallback {
        problems.warn(
            location,
            format!(
                "the scheduler `{name}` without the flag `fallback` refuses the clients of a real \
                 server while it is down or drained: they are not given to another one"
            ),
            "add `scheduler_flags: [fallback]`",
        );
    }
}

fn scheduler_meant(name: &str) -> Option<&'static str> {
    let plain = name.to_ascii_lowercase().replace('-', "_");
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == plain);
    let other = other.map(|(_, meant)| *meant);
    other.or_else(|| resembling(&plain, Scheduler::OF_LINUX.into_iter()))
}

fn programs(check: &Check, keys: CheckKeys<'_>, problems: &mut Problems) {
    for part in check.kind.single_checks() {
        if let CheckKind::Exec(exec) = part
            && let Some(program) = exec.command.first()
        {
            problems.warn_of_program(keys.kind(), program);
        }
    }
}

fn agent(
    service: &ServiceDraft,
    check: &Check,
    keys: CheckKeys<'_>,
    http: Option<(&str, SocketAddr)>,
    problems: &mut Problems,
) {
    let (Some(port), Some((key, listen)), Ok(name)) =
        (check.kind.agent_port(), http, &service.name)
    else {
        return;
    };
    if !listen.ip().is_loopback() && listen.port() == port {
        return;
    }
    let message = format!(
        "the check `agent` of {} asks on port {port} of each real server's own address, \
         and `{key}` is {listen}",
        quoted(&name.value)
    );
    let hint = format!(
        "on the real servers write `listen: 0.0.0.0:{port}` (or \"[::]:{port}\"), \
         and let only the directors and Prometheus reach it"
    );
    problems.warn(keys.kind(), message, hint);
}

fn timeout(check: &Check, keys: CheckKeys<'_>, problems: &mut Problems) {
    let intervals = [
        ("interval", check.interval),
        ("fast_interval", check.fast_interval),
        ("down_interval", check.down_interval),
    ];
    let shorter = intervals
        .into_iter()
        .find(|(_, time)| check.timeout > *time);
    let Some((key, interval)) = shorter else {
        return;
    };
    // A time-out that is written nowhere is not to blame.
    let (location, other) = match (keys.written("timeout"), keys.written(key)) {
        (None, _) => (keys.key(key), None),
        (Some(written), other) => {
            let is_elsewhere = |other: &&WrittenKey| other.is_inherited != written.is_inherited;
            (keys.key("timeout"), other.filter(is_elsewhere))
        }
    };
    let elsewhere = other.map_or_else(String::new, |other| {
        let section = if other.is_inherited {
            "`defaults`, "
        } else {
            ""
        };
        format!(" ({section}{})", problems.line(other.location, location))
    });
    let timeout = humantime::format_duration(check.timeout);
    let interval = humantime::format_duration(interval);
    problems.suggest(
        location,
        format!(
            "`timeout` is {timeout} and `{key}` {interval}{elsewhere}: \
             a real server that hangs is asked every {timeout} only"
        ),
        format!("let `timeout` be at most `{key}`"),
    );
}

/// A check that asks only at ports that no service has.
fn port(check: &Check, keys: CheckKeys<'_>, served: &BTreeSet<u16>, problems: &mut Problems) {
    let asked = check.kind.service_ports();
    let Some(first) = asked.first().filter(|_| !asked.contains(&None)) else {
        return;
    };
    let (Some(port), false) = (
        first,
        asked.iter().flatten().any(|port| served.contains(port)),
    ) else {
        return;
    };
    problems.suggest(
        keys.kind(),
        format!("the check asks on port {port}, which no service of this file has"),
        "remove `port` to ask on the port that clients use; if the real servers have \
         a port for checks alone, all is well",
    );
}
