//! `schema`: the JSON Schema of the configuration.

use serde_json::Value;

use super::{end, program};

#[test]
fn schema_prints_the_keys_with_their_defaults_and_ranges() {
    let ended = end(program(&["schema"]));
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    let key = |mapping: &str, key: &str| schema["$defs"][mapping]["properties"][key].clone();
    assert_eq!(key("director", "resync_interval")["default"], "10s");
    assert_eq!(key("check", "rise")["maximum"], 1000);
    assert_eq!(key("director", "on_exit")["enum"][1], "drain");
    let required = &schema["$defs"]["virtual_service"]["required"];
    assert_eq!(*required, serde_json::json!(["name", "real_servers"]));
}
