//! The key `watch`.

use super::super::fields::Fields;
use super::super::problem::{Parsed, Problems};
use super::{CheckKind, Via};

/// Only a check that asks the real server's own address over TCP has a connection to hold.
pub(super) fn watch(
    fields: &Fields<'_>,
    kind: Option<&CheckKind>,
    via: Option<Via>,
    problems: &mut Problems,
) -> Parsed<bool> {
    let value = fields.value("watch", problems)?;
    let location = value.node.location;
    if !value.truth(problems)? {
        return Ok(false);
    }
    if let Some(name) = via.and_then(Via::name) {
        return Err(problems.add(
            location,
            format!("`watch` does not go with `via: {name}`: no connection is held through a VIP"),
            "remove one of the two",
        ));
    }
    if kind.is_none_or(|kind| kind.watched_port(0).is_some()) {
        return Ok(true);
    }
    Err(problems.add(
        location,
        "`watch` goes with one check by `http`, `https`, `tcp`, `tls` or `grpc`, and in `all` with \
         one by `http`, `https`, `tcp` or `tls`: other checks have no TCP connection that can be held",
        "remove `watch`, or write just one check of these kinds",
    ))
}
