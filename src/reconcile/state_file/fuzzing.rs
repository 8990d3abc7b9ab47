//! The state file, for `tests/fuzz`.

use super::{content_of, understand};

/// One file; what is understood is written so that it is understood alike.
pub fn state(bytes: &[u8]) {
    let Ok(owned) = understand(bytes) else {
        return;
    };
    let text = serde_json::to_vec(&content_of(&owned)).expect("it is no map of what is no text");
    let Ok(again) = understand(&text) else {
        panic!("what was written is not understood");
    };
    assert_eq!(
        content_of(&again).leaving.len(),
        content_of(&owned).leaving.len()
    );
    assert_eq!(
        (again.services, again.addresses),
        (owned.services, owned.addresses)
    );
    assert_eq!(
        (again.sysctls, again.timeouts),
        (owned.sysctls, owned.timeouts)
    );
}
