//! What tells the virtual services of one entry apart: addresses or a
//! firewall mark, and what goes with each.

use std::num::NonZeroU32;

use crate::model::{Family, Protocol, ServiceKey};

use super::fields::{Fields, list_nodes};
use super::node::Located;
use super::problem::{Parsed, Problems};
use super::scalar::Value;

/// What the kernel knows the services of one entry by.
pub(super) struct Keys {
    pub(super) keys: Vec<Located<ServiceKey>>,
    /// The keys come from a list, so that each service needs a name of its own.
    pub(super) several: bool,
}

impl Keys {
    /// One address or several, or a firewall mark.
    pub(super) fn read(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<Self> {
        let Some(entry) = fields.optional("addresses")? else {
            let key = key(fields, problems)?;
            return Ok(Self {
                keys: vec![key],
                several: false,
            });
        };
        for other in ["address", "fwmark"] {
            if let Some(other) = fields.optional(other)? {
                return Err(problems.add(
                    other.key.location,
                    format!(
                        "a virtual service has either `{}` or `addresses`, and this one has both",
                        other.key.value
                    ),
                    "remove one of the two",
                ));
            }
        }
        stray(
            fields,
            "family",
            "fwmark",
            "an address has its own",
            problems,
        )?;
        let protocol: Parsed<Protocol> = fields.choice("protocol", problems);
        let hint = "list VIPs with ports, like `[192.168.11.200:80, \"[2001:db8::200]:80\"]`";
        let nodes = list_nodes(entry, hint, problems)?;
        let mut keys = Ok(Vec::new());
        for (index, node) in nodes.iter().enumerate() {
            let name = &format!("addresses[{index}]");
            let key = Value {
                name,
                node,
                key: None,
            }
            .service_address(problems);
            keys = keys.and_then(|mut keys| {
                let (protocol, address) = (protocol?, key?);
                keys.push(Located {
                    value: ServiceKey::Address { protocol, address },
                    location: node.location,
                });
                Ok(keys)
            });
        }
        Ok(Self {
            keys: keys?,
            several: true,
        })
    }
}

/// Reports a key that has no meaning here.
fn stray(
    fields: &Fields<'_>,
    key: &'static str,
    goes_with: &str,
    reason: &str,
    problems: &mut Problems,
) -> Parsed<()> {
    if let Some(entry) = fields.optional(key)? {
        let message = format!("`{key}` goes with `{goes_with}` only: {reason}");
        problems.add(entry.key.location, message, format!("remove `{key}`"));
    }
    Ok(())
}

/// Address or firewall mark, and what goes with each.
fn key(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<Located<ServiceKey>> {
    let address = fields.optional("address")?;
    let fwmark = fields.optional("fwmark")?;
    match (address, fwmark) {
        (Some(_), Some(fwmark)) => Err(problems.add(
            fwmark.key.location,
            "a virtual service has either `address` or `fwmark`, and this one has both",
            "remove one of the two",
        )),
        (None, None) => Err(problems.add(
            fields.location,
            "a virtual service has no `address`",
            "add a line like `address: 192.168.11.200:80`, or `fwmark` and `family`",
        )),
        (Some(entry), None) => {
            let reason = "an address has its own";
            let family = stray(fields, "family", "fwmark", reason, problems);
            let protocol: Parsed<Protocol> = fields.choice("protocol", problems);
            let address = Value::of(entry).service_address(problems)?;
            family?;
            let protocol = protocol?;
            Ok(Located {
                value: ServiceKey::Address { protocol, address },
                location: entry.value.location,
            })
        }
        (None, Some(entry)) => {
            let reason = "a firewall mark takes in every protocol";
            let protocol = stray(fields, "protocol", "address", reason, problems);
            let family: Parsed<Family> = fields.written("family").and_then(|value| match value {
                Some(value) => value.choice(problems),
                None => Err(problems.add(
                    entry.key.location,
                    "`fwmark` needs `family` beside it",
                    "add a line `family: ipv4` or `family: ipv6`",
                )),
            });
            let mark = fields.integer("fwmark", problems)?;
            protocol?;
            let family = family?;
            let mark = NonZeroU32::new(mark).unwrap_or(NonZeroU32::MIN);
            Ok(Located {
                value: ServiceKey::Fwmark { mark, family },
                location: entry.value.location,
            })
        }
    }
}
