//! The JSON Schema of the configuration (draft 2020-12).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::yaml;
use super::{Alternatives, CONFIGURATION, INCLUDED, Key, Kind, Mapping, Presence};

/// The JSON Schema of a configuration file.
///
/// A file that is valid matches it. What a schema cannot tell, such as an
/// address that two virtual services have, `check-config` finds.
pub fn schema() -> Value {
    let mut definitions = BTreeMap::new();
    define(&CONFIGURATION, &mut definitions);
    define(&INCLUDED, &mut definitions);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of lvs-agent",
        "$ref": reference_to(&CONFIGURATION),
        "$defs": definitions,
    })
}

fn reference_to(mapping: &Mapping) -> String {
    format!("#/$defs/{}", mapping.name)
}

fn define(mapping: &'static Mapping, definitions: &mut BTreeMap<&'static str, Value>) {
    if definitions.contains_key(mapping.name) {
        return;
    }
    // Stops at a mapping that holds itself.
    definitions.insert(mapping.name, Value::Null);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in mapping.keys() {
        properties.insert(key.name.to_owned(), property(key, definitions));
        if matches!(key.presence, Presence::Required(_)) {
            required.push(key.name);
        }
    }
    // Nothing in its place lacks the keys that must be there.
    let types = if mapping.may_be_empty && required.is_empty() {
        json!(["object", "null"])
    } else {
        json!("object")
    };
    let mut definition = json!({
        "description": mapping.doc,
        "type": types,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if let (Some(one_of), Some(definition)) =
        (one_of(&mapping.alternatives), definition.as_object_mut())
    {
        definition.insert("oneOf".to_owned(), one_of);
    }
    definitions.insert(mapping.name, definition);
}

fn one_of(alternatives: &Alternatives) -> Option<Value> {
    let with = |keys: &[&str]| -> Vec<Value> {
        let with = keys.iter().map(|key| json!({ "required": [key] }));
        with.collect()
    };
    match alternatives {
        Alternatives::None => None,
        Alternatives::ExactlyOne(keys) => Some(with(keys).into()),
        Alternatives::AtMostOne(keys) => {
            let none = json!({ "not": { "type": "object", "anyOf": with(keys) } });
            let one = keys
                .iter()
                .map(|key| json!({ "type": "object", "required": [key] }));
            Some(std::iter::once(none).chain(one).collect())
        }
    }
}

fn property(key: &Key, definitions: &mut BTreeMap<&'static str, Value>) -> Value {
    let mut schema = of_kind(&key.kind, definitions);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(key.doc));
        if let Presence::Default(default) = key.presence {
            schema.insert("default".to_owned(), yaml::plain_json(default));
        }
    }
    schema
}

fn of_kind(kind: &Kind, definitions: &mut BTreeMap<&'static str, Value>) -> Value {
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(first, last, _) => {
            json!({ "type": "integer", "minimum": first, "maximum": last })
        }
        Kind::Duration(first, last) => json!({
            "type": "string",
            "pattern": "^\\s*([0-9]+\\s*[A-Za-zµ]+\\s*)+$",
            "$comment": format!(
                "from {} to {}",
                humantime::format_duration(*first),
                humantime::format_duration(*last)
            ),
        }),
        Kind::Choice(words) => {
            let words: Vec<_> = words().into_iter().map(|(word, _)| word).collect();
            json!({ "enum": words })
        }
        Kind::Text(text) => {
            let mut schema = json!({ "type": "string" });
            if let (false, Some(schema)) = (text.pattern.is_empty(), schema.as_object_mut()) {
                schema.insert("pattern".to_owned(), json!(text.pattern));
            }
            schema
        }
        Kind::Mapping(mapping) => {
            define(mapping, definitions);
            json!({ "$ref": reference_to(mapping) })
        }
        Kind::List(kind, least) => {
            let items = of_kind(kind, definitions);
            json!({ "type": "array", "items": items, "minItems": least })
        }
        Kind::Map(kind) => {
            let values = of_kind(kind, definitions);
            json!({ "type": "object", "additionalProperties": values })
        }
        Kind::AnyOf([]) => json!({ "type": "null" }),
        Kind::AnyOf(kinds) => {
            let kinds: Vec<_> = kinds
                .iter()
                .map(|kind| of_kind(kind, definitions))
                .collect();
            json!({ "anyOf": kinds })
        }
    }
}
