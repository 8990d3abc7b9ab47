//! What the process needs of its surroundings: clock, signals, systemd, log,
//! files, and the life of its tasks and programs.

pub(crate) mod atomic_write;
pub(crate) mod clock;
pub mod error_chain;
pub(crate) mod file_work;
pub(crate) mod inheritance;
pub(crate) mod last_known_time;
pub(crate) mod liveness;
pub(crate) mod log_limit;
pub(crate) mod logging;
pub(crate) mod low_priority;
pub(crate) mod orphans;
pub(crate) mod own_command;
pub(crate) mod panics;
pub(crate) mod printable;
pub(crate) mod program_file;
pub(crate) mod regular_file;
pub(crate) mod resting_worker;
pub(crate) mod shared;
pub(crate) mod shell_word;
pub(crate) mod signals;
pub(crate) mod standstill;
pub(crate) mod stored_file;
pub(crate) mod systemd;
