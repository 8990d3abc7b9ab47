//! What real servers have one by one in other programs, and a service has once
//! in ours: that of most of them is taken.

use std::collections::BTreeMap;

use serde_yaml::Mapping;

use super::real_servers::KeptRealServer;
use crate::import::check::{Check, Kind, Timing};
use crate::import::draft::{Draft, Key};
use crate::import::note::{Notes, Place};
use crate::model::{Forwarding, Tunnel};

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
pub(super) fn forwarding(draft: &Draft, notes: &mut Notes) -> Forwarding {
    let all = draft.real_servers.iter().map(|server| server.forwarding);
    let chosen = most_frequent(all).unwrap_or(Forwarding::Direct);
    for server in &draft.real_servers {
        if server.forwarding == chosen {
            continue;
        }
        let text = format!(
            "the real server {} is reached by {} there: a service has one way of forwarding \
             here, and it is reached by {} like the others; move it into a service of its own \
             or see that it takes such packets",
            server.address,
            described(server.forwarding),
            described(chosen)
        );
        notes.add(server.place, text);
    }
    chosen
}

fn described(forwarding: Forwarding) -> String {
    match forwarding {
        Forwarding::Tunnel(tunnel) if tunnel != Tunnel::Ipip => format!("`tunnel` ({tunnel})"),
        Forwarding::Tunnel(_) | Forwarding::Masquerade | Forwarding::Local | Forwarding::Direct => {
            format!("`{forwarding}`")
        }
    }
}

/// The check of the service.
pub(super) fn check(
    key: &Key,
    place: Place,
    kept: &[KeptRealServer],
    notes: &mut Notes,
) -> Mapping {
    let written: Vec<_> = kept.iter().map(written).collect();
    let checked = written.iter().flatten().map(|(text, _)| text.as_str());
    let Some(chosen) = most_frequent(checked).map(str::to_owned) else {
        return unchecked(key, place, kept, notes);
    };
    for (kept, written) in kept.iter().zip(&written) {
        let address = kept.server.address;
        let text = match written {
            Some((text, _)) if *text == chosen => continue,
            Some((text, _)) => format!(
                "the real server {address} has another check than the others there: a service \
                 has one check here, and {address} is checked like the others; its own was {text}"
            ),
            None => format!(
                "the real server {address} has no check there and always serves: here it is \
                 checked like the others"
            ),
        };
        notes.add(kept.server.place, text);
    }
    let chosen = written
        .into_iter()
        .flatten()
        .find(|(text, _)| *text == chosen);
    chosen.map(|(_, keys)| keys).unwrap_or_default()
}

/// The check as a text on one line, and as it is.
fn written(kept: &KeptRealServer) -> Option<(String, Mapping)> {
    let check = kept.server.check.clone()?;
    let keys = check.written(kept.own_port);
    let text = serde_json::to_string(&keys).unwrap_or_default();
    Some((text, keys))
}

/// A check of our own choice where the other program has none.
fn unchecked(key: &Key, place: Place, kept: &[KeptRealServer], notes: &mut Notes) -> Mapping {
    let own = kept.first().and_then(|kept| kept.own_port);
    let kind = Kind::simple(key.checked_protocol(), own);
    let keys = Check::new(kind, Timing::default()).written(own);
    let text = format!(
        "the real servers have no check there and always serve: the check here is {}; \
         write the one that says whether they serve",
        serde_json::to_string(&keys).unwrap_or_default()
    );
    notes.add(place, text);
    keys
}
