//! An entry of `virtual_services`.

use std::sync::Arc;

use crate::model::{Forwarding, Persistence, Scheduler, ServiceFlags, ServiceKey};

use super::check::{WrittenCheck, WrittenKey, check, via_allowed_by};
use super::declaration::SERVICE;
use super::fields::{Fields, list_nodes};
use super::node::{Located, Location, Node};
use super::pool::{PoolDraft, pool};
use super::problem::{Parsed, Problems};
use super::range::{ExpansionBudget, service_name};
use super::real_server_entry::{Listed, RealServerDraft, real_server, with_checks};
use super::service_key::Keys;
use super::{Check, VirtualService, ipvs};

/// A virtual service as it was read, in which some things may be missing
/// because a problem stands in their place.
pub(super) struct ServiceDraft {
    pub(super) location: Location,
    pub(super) name: Parsed<Located<Arc<str>>>,
    pub(super) key: Parsed<Located<ServiceKey>>,
    pub(super) forwarding: Parsed<Forwarding>,
    pub(super) scheduler: Parsed<Scheduler>,
    /// Where the scheduler is, if it is written.
    pub(super) scheduler_location: Option<Location>,
    pub(super) flags: Parsed<ServiceFlags>,
    persistence: Parsed<Option<Persistence>>,
    pub(super) check: Parsed<Check>,
    /// Where the check is, if it is written.
    pub(super) check_location: Option<Location>,
    /// Where the keys of the check are.
    pub(super) check_keys: Vec<WrittenKey>,
    /// Whether the file says no kind of check.
    pub(super) check_is_default: bool,
    pub(super) pool: PoolDraft,
    pub(super) real_servers: Parsed<Vec<Parsed<RealServerDraft>>>,
}

/// The list `virtual_services`; what its entries do not say, `defaults` do.
pub(super) fn services<'n>(
    fields: &Fields<'n>,
    defaults: Parsed<&Fields<'n>>,
    budget: &mut ExpansionBudget,
    problems: &mut Problems,
) -> Parsed<Vec<Parsed<ServiceDraft>>> {
    let hint = "list at least one virtual service below `virtual_services:`, as in the examples";
    let Some(entry) = fields.optional("virtual_services")? else {
        let message = format!("{} has no `virtual_services`", fields.what());
        return Err(problems.add(fields.location, message, hint));
    };
    let nodes = list_nodes(entry, hint, problems)?;
    let mut services = Vec::new();
    // One problem stands for all that failed, of which there may be a million.
    let mut failed = None;
    for node in nodes {
        match service(node, defaults, budget, problems) {
            Ok(drafts) => services.extend(drafts.into_iter().map(Ok)),
            Err(reported) => failed = Some(Err(reported)),
        }
    }
    services.extend(failed);
    Ok(services)
}

/// Gives a virtual service the defaults that it does not have itself, but for those that such a
/// service may not have.
fn inherit<'n>(fields: &mut Fields<'n>, defaults: Parsed<&Fields<'n>>) {
    let text = |fields: &Fields<'n>, name| {
        let entry = fields.optional(name).ok().flatten();
        entry.and_then(|entry| entry.value.text())
    };
    let word = |name| text(fields, name).or_else(|| text(defaults.ok()?, name));
    let is_tunnel = word("forwarding") == Some("tunnel");
    let scheduler = word("scheduler").and_then(|name| name.parse::<Scheduler>().ok());
    let has_flags = scheduler.is_some_and(|scheduler| scheduler.has_flags());
    let is_by_mark = fields.optional("fwmark").is_ok_and(|mark| mark.is_some());
    let is_by_datagrams = is_by_mark || word("protocol") == Some("udp");
    fields.inherit(defaults, |name| match name {
        "tunnel" => is_tunnel,
        "scheduler_flags" => has_flags,
        "protocol" => !is_by_mark,
        "one_packet" => is_by_datagrams,
        "family" => is_by_mark,
        _ => true,
    });
}

/// The virtual services of one entry: one for each of its addresses.
fn service<'n>(
    node: &'n Node,
    defaults: Parsed<&Fields<'n>>,
    budget: &mut ExpansionBudget,
    problems: &mut Problems,
) -> Parsed<Vec<ServiceDraft>> {
    let mut fields = Fields::read(node, &SERVICE, problems)?;
    inherit(&mut fields, defaults);
    let name = fields.name(problems);
    let shown = name.as_ref().ok().map(|name| Arc::clone(&name.value));
    let written = WrittenCheck::of_service(&fields, defaults);
    problems.for_service(shown, |problems| {
        drafts(&fields, &name, written, budget, problems)
    })
}

/// The drafts of an entry with this name and check.
fn drafts(
    fields: &Fields<'_>,
    name: &Parsed<Located<Arc<str>>>,
    written: Parsed<WrittenCheck<'_>>,
    budget: &mut ExpansionBudget,
    problems: &mut Problems,
) -> Parsed<Vec<ServiceDraft>> {
    let keys = Keys::read(fields, problems);
    let scheduler = ipvs::scheduler(fields, problems);
    let has_flags = scheduler.as_ref().map(Scheduler::has_flags);
    let has_flags = has_flags.map_err(|reported| *reported);
    let forwarding = ipvs::forwarding(fields, problems);
    let real_servers = listed(fields, forwarding, budget, problems);
    let location = fields.location;
    let several = keys.as_ref().is_ok_and(|keys| keys.several);
    let keys = match keys {
        Ok(keys) => keys.keys.into_iter().map(Ok).collect(),
        Err(reported) => vec![Err(reported)],
    };
    if let Ok(real_servers) = &real_servers {
        let more = keys
            .len()
            .saturating_sub(1)
            .saturating_mul(real_servers.len());
        budget.take(more.try_into().unwrap_or(u128::MAX), location, problems)?;
    }
    let scheduler_location = fields.optional("scheduler").ok().flatten();
    let scheduler_location = scheduler_location.map(|entry| entry.value.location);
    let draft = |key: Parsed<Located<ServiceKey>>| {
        let name = match (name, key.map(|key| key.value)) {
            (Ok(name), Ok(ServiceKey::Address { address, .. })) if several => {
                service_name(name, address, problems)
            }
            (name, _) => name.clone(),
        };
        let value = key.map(|key| key.value);
        let vip = value.ok().and_then(|key| key.address());
        ServiceDraft {
            location,
            name,
            key,
            forwarding,
            flags: ipvs::flags(fields, has_flags, value, problems),
            persistence: ipvs::persistence(fields, key, problems),
            check: written.and_then(|written| {
                via_allowed_by(forwarding, written, problems)?;
                check(written, vip, problems)
            }),
            check_location: written.ok().and_then(WrittenCheck::location),
            check_keys: written.map_or_else(|_| Vec::new(), WrittenCheck::keys),
            check_is_default: written.is_ok_and(|written| !written.says_kind()),
            pool: pool(fields, value, forwarding, problems),
            scheduler: scheduler.clone(),
            scheduler_location,
            real_servers: real_servers
                .as_ref()
                .map_err(|reported| *reported)
                .map(|listed| with_checks(listed, value, forwarding, problems)),
        }
    };
    Ok(keys.into_iter().map(draft).collect())
}

/// The key `real_servers`, of a virtual service with this forwarding.
fn listed<'n>(
    fields: &Fields<'n>,
    forwarding: Parsed<Forwarding>,
    budget: &mut ExpansionBudget,
    problems: &mut Problems,
) -> Parsed<Vec<Parsed<Listed<'n>>>> {
    let hint = "list at least one below `real_servers:`, \
                like `- { name: rs1, address: 192.168.11.21 }`";
    let entry = fields.required("real_servers", problems)?;
    let nodes = list_nodes(entry, hint, problems)?;
    let listed =
        nodes.iter().flat_map(
            |node| match real_server(node, forwarding, budget, problems) {
                Ok(listed) => listed.into_iter().map(Ok).collect(),
                Err(reported) => vec![Err(reported)],
            },
        );
    Ok(listed.collect())
}

impl ServiceDraft {
    /// The name for messages, if it could be read.
    pub(super) fn shown_name(&self) -> Option<Arc<str>> {
        let name = self.name.as_ref().ok()?;
        Some(Arc::clone(&name.value))
    }

    /// The service, if nothing of it is missing.
    pub(super) fn finish(self) -> Parsed<VirtualService> {
        let key = self.key?.value;
        let port = key.port();
        let real_servers = self
            .real_servers?
            .into_iter()
            .map(|real_server| real_server.and_then(|real_server| real_server.finish(port)));
        let check = Arc::new(self.check?.of_service(key));
        let pool = self.pool.finish(port, &check)?;
        Ok(VirtualService {
            name: self.name?.value,
            key,
            scheduler: self.scheduler?,
            flags: self.flags?,
            forwarding: self.forwarding?,
            persistence: self.persistence?,
            check,
            pool,
            // A boxed slice has no room to spare.
            real_servers: real_servers.collect::<Parsed<Box<[_]>>>()?.into_vec(),
        })
    }
}
