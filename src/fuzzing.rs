//! Entry points for `tests/fuzz`: what comes from outside goes in, and nothing may
//! make this program panic. They exist under `--cfg fuzzing` alone.

#![allow(
    missing_docs,
    reason = "each is one target of tests/fuzz, and described there"
)]

pub use crate::agent::drains::fuzzing::drains;
use crate::config::Config;
pub use crate::import::fuzzing::foreign_file;
pub use crate::kernel::fuzzing::{frame, netlink};
pub use crate::link::arp_audit::fuzzing::audit;
pub use crate::probe::fuzzing::{agent_answer, conversation, dns_answer};
pub use crate::reconcile::state_file::fuzzing::state;

/// How much is said of a text at most, in bytes, beside what it quotes.
const SAID: usize = 1024 * 1024;

pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let said = match Config::parse("fuzzed.yaml", text) {
        Ok(config) => {
            let warnings = config.warnings.iter().chain(&config.suggestions);
            let mut said = config.summary();
            said.extend(warnings.map(ToString::to_string));
            said
        }
        Err(errors) => errors.to_string(),
    };
    assert!(said.len() <= SAID + 64 * text.len(), "{} bytes", said.len());
}
