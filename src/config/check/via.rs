//! The key `via`.

use std::net::SocketAddr;

use super::super::fields::Fields;
use super::super::node::{Content, Entry};
use super::super::problem::{Parsed, Problems};
use super::{CheckKind, Via, WrittenCheck};
use crate::model::Forwarding;

/// What is asked through the VIP has to travel over TCP, as clients' bytes do,
/// and the VIP has to be known.
pub(super) fn via(
    fields: &Fields<'_>,
    kind: Option<&CheckKind>,
    vip: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<Via> {
    let value = fields.value("via", problems)?;
    let via: Via = value.choice(problems)?;
    let Some(name) = via.name() else {
        return Ok(via);
    };
    if vip.is_none() {
        return Err(problems.add(
            value.node.location,
            format!("`via: {name}` needs a VIP, and a firewall mark names none"),
            "remove `via`, or write `via: real_server`",
        ));
    }
    if kind.is_none_or(|kind| kind.through_vip().is_some()) {
        if let Some(interface) = fields.optional("interface")? {
            return Err(problems.add(
                interface.key.location,
                format!(
                    "`interface` does not go with `via: {name}`, \
                     whose packets leave as the clients' do"
                ),
                "remove one of the two",
            ));
        }
        return Ok(via);
    }
    Err(problems.add(
        value.node.location,
        format!(
            "`via: {name}` goes with one check by `http`, `https`, `tcp` or `tls`, alone or in `all`"
        ),
        "remove `via`, or write just one check of these kinds",
    ))
}

/// Masquerading rewrites the VIP, which the real server never sees.
pub(in crate::config) fn allowed_by(
    forwarding: Parsed<Forwarding>,
    check: WrittenCheck<'_>,
    problems: &mut Problems,
) -> Parsed<()> {
    let through_vip = |entry: &&Entry| matches!(entry.value.content(), Content::Text(text) if &**text != "real_server");
    match (forwarding, check.entry("via").filter(through_vip)) {
        (Ok(Forwarding::Masquerade), Some(entry)) => Err(problems.add(
            entry.value.location,
            "with `forwarding: masquerade` no real server has the VIP, \
             so there is nothing to ask through it",
            "remove `via`: the check asks the real server's own address, as masquerading does",
        )),
        _ => Ok(()),
    }
}
