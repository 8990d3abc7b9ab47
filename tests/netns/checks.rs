//! Services that differ in their checks and in their families.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::Namespace;
use crate::witness::status;

/// A service for each check and family, all with this `timing`.
pub(crate) fn configuration(
    timing: &str,
    kinds: &[(&str, impl AsRef<str>)],
    families: &[(&str, impl AsRef<[String]>)],
) -> String {
    let mut text = "director: { resync_interval: 1s }\nvirtual_services:\n".to_owned();
    let mut mark = 0;
    for (name, check) in kinds {
        for (family, addresses) in families {
            mark += 1;
            let check = check.as_ref();
            let _ = write!(
                text,
                "  - name: {name}-{family}\n    fwmark: {mark}\n    family: {family}\n    \
                 check: {{ {check}, {timing} }}\n    real_servers:\n"
            );
            for (number, address) in addresses.as_ref().iter().enumerate() {
                let _ = writeln!(
                    text,
                    "      - {{ name: r{number}, address: \"{address}\" }}"
                );
            }
        }
    }
    text
}

/// Every real server as `service/address`, its health, and its last probe.
pub(crate) fn probed(director: &Namespace) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let mut found = Vec::new();
    for service in status(director)["virtual_services"].as_array().unwrap() {
        for one in service["real_servers"].as_array().unwrap() {
            let name = format!("{}/{}", text(&service["name"]), text(&one["address"]));
            found.push((name, text(&one["health"]), one["last_probe"].clone()));
        }
    }
    found
}
