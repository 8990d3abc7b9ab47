//! What must hold between the parts of the file.
//!
//! A part that is missing for a problem of its own takes part in no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{Family, Forwarding};

use super::check_rules;
use super::node::{Located, Location};
use super::probe_mark_rules;
use super::problem::{Parsed, Problems};
use super::real_server_entry::RealServerDraft;
use super::service::ServiceDraft;
use super::{ProbeMark, SorryServer};

/// VIPs and the place of each.
type Vips = BTreeMap<IpAddr, Location>;

/// `interface` gets the director's VIPs; `vips` are those listed for real
/// servers, `marks` those of probes.
pub(super) fn check(
    services: &[Parsed<ServiceDraft>],
    interface: Option<&str>,
    vips: &[Located<IpAddr>],
    marks: Option<ProbeMark>,
    problems: &mut Problems,
) {
    let services = || services.iter().filter_map(|service| service.as_ref().ok());
    let mut all_vips = Vips::new();
    let mut firsts = Duplicates::new("virtual service");
    for service in services() {
        let key = service.key.ok();
        if let Some(vip) = key.and_then(|key| key.value.vip()) {
            let location = key.map_or(service.location, |key| key.location);
            all_vips.entry(vip).or_insert(location);
            if let Some(interface) = interface.filter(|_| vip.is_loopback()) {
                let message = format!(
                    "`{vip}` is a loopback address, which no other host reaches: \
                     it is no VIP for `{interface}`"
                );
                let hint = "write the address that clients use, or remove `director.interface`";
                problems.add(location, message, hint);
            }
        }
        let key = key.map(|key| (key, key.value.to_string()));
        firsts.check(service.location, &service.name, key, problems);
    }
    for vip in vips {
        all_vips.entry(vip.value).or_insert(vip.location);
    }
    for service in services() {
        problems.for_service(service.shown_name(), |problems| {
            real_servers(service, &all_vips, problems);
            sorry_server(service, &all_vips, problems);
            check_rules::agents(service, problems);
            quorum(service, problems);
            check_rules::source(service, problems);
            check_rules::through_vip(service, problems);
            check_rules::chosen(service, problems);
            probe_mark_rules::check_source(service, problems);
        });
    }
    if let Some(marks) = marks {
        probe_mark_rules::check(services(), marks, problems);
    }
}

/// Each real server is in its place, and is there once.
fn real_servers(service: &ServiceDraft, vips: &Vips, problems: &mut Problems) {
    let mut firsts = Duplicates::new("real server");
    let mut misplaced = BTreeSet::new();
    let drafts = service.real_servers.iter().flatten();
    for draft in drafts.filter_map(|draft| draft.as_ref().ok()) {
        let forwarding = draft.forwarding_or(service.forwarding);
        // Of a range, the first that is wrong speaks for all.
        if !misplaced.contains(&draft.location) {
            let placed = (draft.address, forwarding);
            if address(service, placed, "a real server", vips, problems).is_err() {
                misplaced.insert(draft.location);
            }
        }
        port(service, draft.port, forwarding, problems);
        let key = draft.address.ok().map(|address| {
            let port = draft.port.ok().flatten().map(|port| port.value);
            let shown = port.map_or_else(
                || address.value.to_string(),
                |port| SocketAddr::new(address.value, port).to_string(),
            );
            let value = (address.value, port.or(service_port(service)));
            let location = address.location;
            (Located { value, location }, shown)
        });
        firsts.check(draft.location, &draft.name, key, problems);
    }
}

/// A sorry server is as a real server is, but none of its service's, and the
/// scheduler has to find it.
fn sorry_server(service: &ServiceDraft, vips: &Vips, problems: &mut Problems) {
    let Ok(Some(draft)) = &service.pool.sorry_server else {
        return;
    };
    // A problem with it is reported, and the rest holds or not without it.
    let forwarding = draft.forwarding_or(service.forwarding);
    let placed = (draft.address, forwarding);
    let _reported = address(service, placed, "a sorry server", vips, problems);
    port(service, draft.port, forwarding, problems);
    let mut drafts = service.real_servers.iter().flatten().flatten();
    let same = |real_server: &&RealServerDraft| match (real_server.address, draft.address) {
        (Ok(one), Ok(other)) => one.value == other.value,
        _ => false,
    };
    if let (Some(before), Ok(address)) = (drafts.find(same), draft.address) {
        let message = format!(
            "`{}` is already that of the real server on {}",
            address.value,
            problems.line(before.location, address.location)
        );
        let hint = "a sorry server is another host: it serves when the real servers do not";
        problems.add(address.location, message, hint);
    }
    let mut names = service.real_servers.iter().flatten().flatten();
    let names = names.find_map(|draft| {
        let name = draft.name.as_ref().ok()?;
        (&*name.value == SorryServer::NAME).then_some(name.location)
    });
    if let Some(location) = names {
        let message = format!("`{}` is what the sorry server is called", SorryServer::NAME);
        problems.add(location, message, "give the real server another name");
    }
    if service.scheduler.as_ref().is_ok_and(|s| s.as_str() == "dh") {
        problems.add(
            draft.location,
            "`scheduler: dh` drops the connections of real servers with weight 0, \
             so a sorry server could not take them",
            "use `sh` or `mh`, or remove `sorry_server`",
        );
    }
}

/// The quorum can be lost, and it can be reached.
fn quorum(service: &ServiceDraft, problems: &mut Problems) {
    let (Ok(quorum), Ok(hysteresis)) = (service.pool.quorum, service.pool.hysteresis) else {
        return;
    };
    let Some(location) = hysteresis.or(quorum).map(|written| written.location) else {
        return;
    };
    let value = |number: Option<Located<u32>>, default| {
        u64::from(number.map_or(default, |number| number.value))
    };
    let (least, margin) = (value(quorum, 1), value(hysteresis, 0));
    if margin >= least {
        let message = format!(
            "`hysteresis` is {margin} and `quorum` {least}: the quorum would never be lost"
        );
        let hint = "make `hysteresis` less than `quorum`";
        problems.add(location, message, hint);
        return;
    }
    let Ok(real_servers) = &service.real_servers else {
        return;
    };
    let weights = real_servers
        .iter()
        .map(|draft| draft.as_ref().ok()?.weight.ok())
        .map(|weight| weight.map(|weight| u64::from(weight.get())));
    let Some(whole) = weights.sum::<Option<u64>>() else {
        return;
    };
    if least + margin > whole {
        let message = format!(
            "the quorum needs {} and all weights together are {whole}: it would never be there",
            least + margin
        );
        let hint = "the quorum and its hysteresis count weights, not real servers";
        problems.add(location, message, hint);
    }
}

/// Where each name and each key was seen first.
struct Duplicates<K> {
    what: &'static str,
    names: BTreeMap<Arc<str>, Location>,
    keys: BTreeMap<K, Location>,
    /// Entries that make several and of which one was reported: it speaks for all.
    reported: BTreeSet<Location>,
}

impl<K: Ord> Duplicates<K> {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            names: BTreeMap::new(),
            keys: BTreeMap::new(),
            reported: BTreeSet::new(),
        }
    }

    /// `entry` is where the whole begins; the key comes with its text.
    fn check(
        &mut self,
        entry: Location,
        name: &Parsed<Located<Arc<str>>>,
        key: Option<(Located<K>, String)>,
        problems: &mut Problems,
    ) {
        let what = self.what;
        if self.reported.contains(&entry) {
            return;
        }
        let name = name.as_ref().ok();
        let name_before = name.and_then(|name| first(&mut self.names, name.value.clone(), entry));
        let Some((key, shown)) = key else {
            if let Some((name, before)) = name.zip(name_before) {
                same_name(what, name, before, problems);
                self.reported.insert(entry);
            }
            return;
        };
        let key_before = first(&mut self.keys, key.value, entry);
        if name_before.is_some() || key_before.is_some() {
            self.reported.insert(entry);
        }
        match (name.zip(name_before), key_before) {
            (Some((name, one)), Some(other)) if one == other => {
                let name_text = &name.value;
                let message = format!(
                    "the {what} `{name_text}` ({shown}) is already on {}",
                    problems.line(one, name.location)
                );
                problems.add(name.location, message, "remove one of the two");
            }
            (name, before) => {
                if let Some((name, before)) = name {
                    same_name(what, name, before, problems);
                }
                if let Some(before) = before {
                    let message = format!(
                        "`{shown}` is already that of the {what} on {}",
                        problems.line(before, key.location)
                    );
                    let hint = format!("give each {what} an address of its own, or remove one");
                    problems.add(key.location, message, hint);
                }
            }
        }
    }
}

fn same_name(what: &str, name: &Located<Arc<str>>, before: Location, problems: &mut Problems) {
    let message = format!(
        "the name `{}` is already that of the {what} on {}",
        name.value,
        problems.line(before, name.location)
    );
    let hint = format!("give each {what} a name of its own");
    problems.add(name.location, message, hint);
}

/// Where it was seen before, if it was.
fn first<K: Ord>(seen: &mut BTreeMap<K, Location>, key: K, entry: Location) -> Option<Location> {
    use std::collections::btree_map::Entry;
    match seen.entry(key) {
        Entry::Occupied(before) => Some(*before.get()),
        Entry::Vacant(vacant) => {
            vacant.insert(entry);
            None
        }
    }
}

/// A real server is no VIP, and of its service's family unless a tunnel leads to it.
fn address(
    service: &ServiceDraft,
    (address, forwarding): (Parsed<Located<IpAddr>>, Parsed<Forwarding>),
    what: &str,
    vips: &Vips,
    problems: &mut Problems,
) -> Parsed<()> {
    let Ok(address) = address else {
        return Ok(());
    };
    let ip = address.value;
    if let Some(vip) = vips.get(&ip) {
        let line = problems.line(*vip, address.location);
        return Err(problems.add(
            address.location,
            format!("`{ip}` is a VIP ({line}) and cannot be {what}'s address"),
            "write the address that the real server has for itself (its RIP)",
        ));
    }
    let (Ok(key), Ok(forwarding)) = (service.key, forwarding) else {
        return Ok(());
    };
    let (own, wanted) = (Family::from(ip), key.value.family());
    if own == wanted || forwarding.crosses_families() {
        return Ok(());
    }
    let name = |family| match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    let (own, wanted) = (name(own), name(wanted));
    let hint = format!(
        "write an {wanted} address, or make a virtual service of its own for {own}; \
         only `forwarding: tunnel` crosses families"
    );
    let message = format!("`{ip}` is an {own} address, and its virtual service is {wanted}");
    Err(problems.add(address.location, message, hint))
}

/// Only masquerading can send packets to another port than they came to.
fn port(
    service: &ServiceDraft,
    port: Parsed<Option<Located<u16>>>,
    forwarding: Parsed<Forwarding>,
    problems: &mut Problems,
) {
    let (Ok(Some(port)), Ok(forwarding), Some(wanted)) = (port, forwarding, service_port(service))
    else {
        return;
    };
    let is_fwmark = service.key.is_ok_and(|key| key.value.vip().is_none());
    if wanted == 0 && !is_fwmark {
        problems.add(
            port.location,
            "a real server of a service of every port keeps the port of the client",
            "remove `port`",
        );
        return;
    }
    if forwarding.translates_ports() || port.value == wanted {
        return;
    }
    let own = match wanted {
        0 => "is a firewall mark, which has no port".to_owned(),
        wanted => format!("has port {wanted}"),
    };
    problems.add(
        port.location,
        format!(
            "`forwarding: {forwarding}` cannot translate ports: this is port {}, \
             and its virtual service {own}",
            port.value
        ),
        "remove `port`, or use `forwarding: masquerade`",
    );
}

/// What a real server's port is unless it is given.
pub(super) fn service_port(service: &ServiceDraft) -> Option<u16> {
    service.key.ok().map(|key| key.value.port())
}
