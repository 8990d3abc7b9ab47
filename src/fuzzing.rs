//! Entry points for `tests/fuzz`: what comes from outside goes in, and nothing may
//! make this program panic. They exist under `--cfg fuzzing` alone.

#![allow(
    missing_docs,
    reason = "each is one target of tests/fuzz, and described there"
)]

pub use crate::agent::decisions::fuzzing::drains;
use crate::config::Config;
pub use crate::import::fuzzing::foreign_file;
pub use crate::kernel::fuzzing::{frame, netlink};
pub use crate::link::arp_audit::fuzzing::audit;
pub use crate::probe::fuzzing::{agent_answer, conversation, dns_answer};
pub use crate::reconcile::state_file::fuzzing::state;

/// The longest message about a text, in bytes, without what the message quotes.
const LONGEST_MESSAGE: usize = 1024 * 1024;

pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let message = match Config::parse("fuzzed.yaml", text) {
        Ok(config) => {
            let warnings = config.warnings.iter().chain(&config.suggestions);
            let mut message = config.summary();
            message.extend(warnings.map(ToString::to_string));
            message
        }
        Err(errors) => errors.to_string(),
    };
    assert!(
        message.len() <= LONGEST_MESSAGE + 64 * text.len(),
        "{} bytes",
        message.len()
    );
}
