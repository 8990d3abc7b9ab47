//! The keys of the configuration, as the program itself lists them: an unknown
//! key in a mapping is answered with the known ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use lvs_agent::config::Config;
use serde_yaml::{Mapping, Value};

/// No key of the program, and none that resembles one.
const UNKNOWN: &str = "qqzz";
/// `all` and `any` hold checks, which hold keys of their own.
const DEPTH: usize = 9;

/// How a mapping is reached: by keys, and by `-` into the entry of a list.
pub(crate) type Place = Vec<String>;

/// Every mapping of the configuration with its keys.
pub(crate) static KEYS: LazyLock<BTreeMap<Place, BTreeSet<String>>> = LazyLock::new(|| {
    let mut found = BTreeMap::new();
    explore(&Vec::new(), &mut found);
    assert!(
        found.len() > 20,
        "the program lists its keys otherwise now: {found:?}"
    );
    found
});

fn explore(place: &Place, found: &mut BTreeMap<Place, BTreeSet<String>>) {
    let mut unknown = Mapping::new();
    unknown.insert(UNKNOWN.into(), 1.into());
    let Some(keys) = known_keys(&put(Value::Null, place, &unknown)) else {
        return;
    };
    found.insert(place.clone(), keys.clone());
    if place.len() >= DEPTH {
        return;
    }
    for key in keys {
        let mut below = place.clone();
        below.push(key.clone());
        explore(&below, found);
        // Checks in `all` and `any` cannot be combinations again.
        below.push("-".to_owned());
        explore(&below, found);
    }
}

/// What the program says are the keys of the mapping that has the unknown one.
fn known_keys(document: &Value) -> Option<BTreeSet<String>> {
    let message = problems(document)?;
    let (_, rest) = message.split_once(&format!("has no key `{UNKNOWN}`"))?;
    let hint = rest
        .lines()
        .find_map(|line| line.trim().strip_prefix("hint: "))?;
    let keys = hint.strip_prefix("known keys: ")?;
    Some(
        keys.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect(),
    )
}

/// What the program says is wrong with a document.
pub(crate) fn problems(document: &Value) -> Option<String> {
    let text = serde_yaml::to_string(document).unwrap();
    let errors = Config::parse("manual.yaml", &text).err()?;
    Some(errors.to_string())
}

/// The document with the entries of `fragment` at the place.
pub(crate) fn put(document: Value, place: &[String], fragment: &Mapping) -> Value {
    let Some((first, rest)) = place.split_first() else {
        let mut mapping = mapping(document);
        mapping.extend(fragment.clone());
        return Value::Mapping(mapping);
    };
    if first == "-" {
        let mut entries = if let Value::Sequence(entries) = document {
            entries.into_iter()
        } else {
            Vec::new().into_iter()
        };
        let entry = put(entries.next().unwrap_or_default(), rest, fragment);
        return std::iter::once(entry).chain(entries).collect();
    }
    let mut mapping = mapping(document);
    let key = Value::from(first.as_str());
    let below = mapping.remove(&key).unwrap_or_default();
    mapping.insert(key, put(below, rest, fragment));
    Value::Mapping(mapping)
}

/// The mapping, or an empty one for any other value.
fn mapping(value: Value) -> Mapping {
    if let Value::Mapping(mapping) = value {
        mapping
    } else {
        Mapping::new()
    }
}

/// The places whose mapping has the key.
pub(crate) fn places_of(key: &str) -> Vec<&'static Place> {
    let places = KEYS.iter();
    places
        .filter(|(_, keys)| keys.contains(key))
        .map(|(place, _)| place)
        .collect()
}

/// Whether the program knows `a.b.c` from this place on, through lists as well.
pub(crate) fn knows(place: &[String], path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    if !KEYS.get(place).is_some_and(|keys| keys.contains(*first)) {
        return false;
    }
    let mut below = place.to_vec();
    below.push((*first).to_owned());
    let mut entry = below.clone();
    entry.push("-".to_owned());
    knows(&below, rest) || knows(&entry, rest)
}
