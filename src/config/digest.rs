//! The digest that distinguishes two configurations.

use ring::digest::{Context, SHA256};

use super::source::Source;

/// The SHA-256 of the main file and the included files, in their order.
///
/// Every file counts with its length, so that text which moves from one file
/// to the next changes the digest. Names do not count: hosts may keep the same
/// configuration at different paths. Neither do secrets that are elsewhere: the
/// digest is public, and would let others try out what a short one is.
pub(super) fn sha256(sources: &[Source]) -> String {
    let mut context = Context::new(&SHA256);
    for source in sources {
        context.update(&(source.bytes.len() as u64).to_be_bytes());
        context.update(&source.bytes);
    }
    let digest = context.finish();
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect()
}

#[cfg(test)]
mod tests;
