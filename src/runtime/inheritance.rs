//! What the programs that the agent starts do not inherit: its capabilities.

use rustix::io;
use rustix::thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_capabilities};

/// Lets no program that this thread starts, or one that it begins from now on,
/// have capabilities by inheritance (capabilities(7): the ambient and the
/// inheritable set). The agent keeps its own. What a program has by being
/// root's, or by its file, as ping has, is not changed.
pub(crate) fn keep_capabilities() -> io::Result<()> {
    match clear_ambient_capability_set() {
        // Before Linux 4.3 there is none.
        Ok(()) | Err(io::Errno::INVAL) => {}
        Err(error) => return Err(error),
    }
    let mut held = capabilities(None)?;
    // capset(2) may be forbidden where there is nothing to take away.
    if held.inheritable.is_empty() {
        return Ok(());
    }
    held.inheritable = CapabilitySet::empty();
    set_capabilities(None, held)
}
