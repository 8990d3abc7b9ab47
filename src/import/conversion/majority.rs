//! What a service says for its real servers: what most of them have. The others say their own.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::real_servers::KeptRealServer;
use crate::import::check::{Check, Kind, Timing};
use crate::import::draft::{Draft, DraftCheck, Key};
use crate::import::note::{Notes, SourceLocation};
use crate::model::Forwarding;

/// `check: none`.
pub(super) const NONE: &str = "none";

/// The first of those that occur most often.
fn most_frequent<K: Ord>(keys: impl Iterator<Item = K>) -> Option<K> {
    let mut counts = BTreeMap::new();
    for (index, key) in keys.enumerate() {
        let (count, _) = counts.entry(key).or_insert((0_usize, index));
        *count += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(_, (count, first))| (*count, std::cmp::Reverse(*first)));
    most.map(|(key, _)| key)
}

/// The way of forwarding of the service.
pub(super) fn forwarding(draft: &Draft) -> Forwarding {
    let all = draft.real_servers.iter().map(|server| server.forwarding);
    most_frequent(all).unwrap_or(Forwarding::Direct)
}

/// The check of the service. Each real server that has another one gets it as its own.
pub(super) fn check(
    key: &Key,
    location: SourceLocation,
    kept: &mut [KeptRealServer],
    notes: &mut Notes,
) -> Value {
    let all: Vec<_> = kept.iter().map(check_of).collect();
    // A real server that is added later is to be checked, so any check goes before none.
    let checks = all.iter().flatten();
    let checks = checks.filter(|(_, check)| check.as_str() != Some(NONE));
    let checked = most_frequent(checks.map(|(text, _)| text.as_str()));
    let checks = all.iter().flatten();
    let Some(chosen) = checked.or_else(|| most_frequent(checks.map(|(text, _)| text.as_str())))
    else {
        return unchecked(key, location, kept, notes);
    };
    let mut of_service = Value::Null;
    for (kept, check) in kept.iter_mut().zip(&all) {
        match check {
            Some((text, check)) if text == chosen => of_service.clone_from(check),
            Some((_, check)) => kept.own_check = Some(check.clone()),
            None => {}
        }
    }
    if of_service.as_str() == Some(NONE) {
        let text = "the real servers have no check there and always serve, as they do here by \
                    `check: none`: write the check that says whether they serve";
        notes.add(location, text);
    }
    of_service
}

/// The check as a text on one line, and as it is.
fn check_of(kept: &KeptRealServer) -> Option<(String, Value)> {
    let check = match &kept.server.check {
        DraftCheck::By(check) => Value::Mapping(Check::clone(check).into_mapping(kept.own_port)),
        DraftCheck::Never => NONE.into(),
        DraftCheck::Unknown => return None,
    };
    let text = serde_json::to_string(&check).unwrap_or_default();
    Some((text, check))
}

/// A check of our own choice where none can be known.
fn unchecked(
    key: &Key,
    location: SourceLocation,
    kept: &[KeptRealServer],
    notes: &mut Notes,
) -> Value {
    let own = kept.first().and_then(|kept| kept.own_port);
    let kind = Kind::simple(key.checked_protocol(), own);
    let keys: Mapping = Check::new(kind, Timing::default()).into_mapping(own);
    let text = format!(
        "the real servers have no check there that could be imported: the check here is {}; \
         write the one that says whether they serve",
        serde_json::to_string(&keys).unwrap_or_default()
    );
    notes.add(location, text);
    keys.into()
}
