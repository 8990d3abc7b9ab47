//! Events as programs and webhooks of any kind get them: a JSON object of texts,
//! or environment variables.

use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::event::Message;

/// What stands in place of an event's kind for several of them.
const GROUP: &str = "group";

/// Messages that are delivered together.
#[derive(Debug, Clone, Copy)]
pub(super) enum EventBody<'g> {
    /// A target without `group_wait` gets each alone.
    One(&'g Message),
    /// With `group_wait`, even one is a group.
    Group(&'g [Arc<Message>]),
}

impl<'g> EventBody<'g> {
    pub(super) fn of(group: &'g [Arc<Message>], is_grouped: bool) -> Self {
        match group {
            [message] if !is_grouped => Self::One(message),
            messages => Self::Group(messages),
        }
    }

    /// `LVS_EVENT`, `LVS_SERVICE` and so on.
    pub(super) fn environment(self) -> Vec<(String, String)> {
        let fields = match self {
            Self::One(message) => message.fields(),
            Self::Group(messages) => {
                let mut fields = common(messages);
                fields.push(("count", messages.len().to_string()));
                fields
            }
        };
        let fields = fields.into_iter();
        let variable =
            |(name, value): (&str, String)| (format!("LVS_{}", name.to_ascii_uppercase()), value);
        fields.map(variable).collect()
    }
}

/// What holds for a whole group, in the order in which it is written.
fn common(messages: &[Arc<Message>]) -> Vec<(&'static str, String)> {
    let mut common = vec![("event", GROUP.to_owned())];
    if let Some(newest) = messages.last() {
        let fields = newest.fields().into_iter();
        common.extend(fields.filter(|(name, _)| ["at", "host", "mode"].contains(name)));
    }
    common
}

impl Serialize for EventBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(message) => message.serialize(serializer),
            Self::Group(messages) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in common(messages) {
                    map.serialize_entry(name, &value)?;
                }
                map.serialize_entry("count", &messages.len())?;
                let events: Vec<&Message> = messages.iter().map(|one| &**one).collect();
                map.serialize_entry("events", &events)?;
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests;
