//! An entry of `virtual_services`.

use std::sync::Arc;

use crate::model::{Forwarding, Persistence, Scheduler, ServiceFlags, ServiceKey};

use super::check::{check, says_kind, via_allowed_by};
use super::declaration::SERVICE;
use super::fields::{Fields, list_nodes};
use super::node::{Located, Location, Node};
use super::pool::{PoolDraft, pool};
use super::problem::{Parsed, Problems};
use super::range::{ExpansionBudget, service_name};
use super::real_server_entry::{RealServerDraft, real_server, with_checks};
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

/// Takes over the defaults, but for those that such a service may not have.
fn inherit<'n>(fields: &mut Fields<'n>, defaults: Parsed<&Fields<'n>>) {
    let text = |fields: &Fields<'n>, name| {
        let entry = fields.optional(name).ok().flatten();
        entry.and_then(|entry| entry.value.text())
    };
    let word = |name| text(fields, name).or_else(|| text(defaults.ok()?, name));
    let is_tunnel = word("forwarding") == Some("tunnel");
    let has_flags = matches!(word("scheduler"), Some("sh" | "mh"));
    let is_by_mark = fields.optional("fwmark").is_ok_and(|mark| mark.is_some());
    let is_by_datagrams = is_by_mark || word("protocol") == Some("udp");
    fields.inherit(defaults, |name| match name {
        "tunnel" => is_tunnel,
        "scheduler_flags" => has_flags,
        "protocol" => !is_by_mark,
        "one_packet" => is_by_datagrams,
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
    let keys = Keys::read(&fields, problems);
    let scheduler = fields.value("scheduler", problems).and_then(|value| {
        let wanted = "the name of a scheduler, of at most 15 letters, digits, `_` or `-`";
        let hint = "write a name such as `wlc`, `wrr` or `sh`";
        let text = value.text(wanted, hint, problems)?;
        text.parse()
            .map_err(|_| value.wrong(wanted, hint, problems))
    });
    let forwarding = ipvs::forwarding(&fields, problems);
    let hint = "list at least one below `real_servers:`, \
                like `- { name: rs1, address: 192.168.11.21 }`";
    let real_servers = fields
        .required("real_servers", problems)
        .and_then(|entry| list_nodes(entry, hint, problems))
        .map(|nodes| {
            nodes
                .iter()
                .flat_map(
                    |node| match real_server(node, forwarding, budget, problems) {
                        Ok(drafts) => drafts.into_iter().map(Ok).collect(),
                        Err(reported) => vec![Err(reported)],
                    },
                )
                .collect::<Vec<_>>()
        });
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
    let written = fields.optional("check").ok().flatten();
    let check_location = written.map(|entry| entry.key.location);
    let check_is_default = fields
        .optional("check")
        .is_ok_and(|entry| !says_kind(entry));
    let scheduler_location = fields.optional("scheduler").ok().flatten();
    let scheduler_location = scheduler_location.map(|entry| entry.value.location);
    let draft = |key: Parsed<Located<ServiceKey>>| {
        let name = match (&name, key.map(|key| key.value)) {
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
            flags: ipvs::flags(
                &fields,
                scheduler.as_ref().map_err(|reported| *reported),
                value,
                problems,
            ),
            persistence: ipvs::persistence(&fields, key, problems),
            check: fields.optional("check").and_then(|entry| {
                via_allowed_by(forwarding, entry, problems)?;
                check(entry, vip, problems)
            }),
            check_location,
            check_is_default,
            pool: pool(&fields, value, forwarding, problems),
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

impl ServiceDraft {
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
            real_servers: real_servers.collect::<Parsed<_>>()?,
        })
    }
}
