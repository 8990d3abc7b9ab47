//! The subcommand `cleanup`: it removes from kernel and state directory what the agent owns.

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

use tracing::debug;

use super::{CommandFailure, ExitStatus, load};
use crate::agent::decisions::DecisionFile;
use crate::cli::arguments::CleanupArguments;
use crate::config::Config;
use crate::kernel::{Kernel, KernelIpvs};
use crate::metrics::Metrics;
use crate::model::Role;
use crate::reconcile::{Reconciler, RoleLock, StateFile, StateLock, Writing, adopt, find_desired};
use crate::runtime::clock;
use crate::status::Snapshot;

/// Holds the agent's lock meanwhile: what a running agent would put back at
/// once is not removed.
///
/// A state directory that was not there is not there afterwards either.
pub(super) async fn run(arguments: CleanupArguments) -> Result<ExitStatus, CommandFailure> {
    let config = load(&arguments.config.path)?;
    let is_there = config.state_dir.exists();
    let done = clean_up(arguments, &config).await;
    if !is_there && let Err(error) = fs::remove_dir(&config.state_dir) {
        let directory = config.state_dir.display();
        debug!(%error, "{directory} stays");
    }
    done
}

async fn clean_up(
    arguments: CleanupArguments,
    config: &Config,
) -> Result<ExitStatus, CommandFailure> {
    let role = if arguments.real_server {
        Role::RealServer
    } else {
        Role::Director
    };
    let lock = RoleLock::take(role).await?;
    let state_lock = StateLock::take(&config.state_dir, role).await?;
    let snapshot = Arc::new(Snapshot::empty(role, arguments.config.path, clock::wall()));
    lock.note_damage(&snapshot.conditions);
    state_lock.note_damage(&snapshot.conditions);
    if role == Role::Director {
        StateFile::of_memory(&config.state_dir).refuse_newer()?;
        let drains = DecisionFile::new(&config.state_dir);
        let loaded = drains.load(Writing::Real.if_damaged())?;
        let conditions = &snapshot.conditions;
        conditions.note_damage(drains.path(), loaded.reported(), clock::wall());
    }
    let mut reconciler = Reconciler::new(
        Kernel::with_table(KernelIpvs::new()),
        StateFile::new(&config.state_dir, role),
        Writing::Real,
        Arc::clone(&snapshot),
        Arc::new(Metrics::new([])?),
    )?;
    let configured = match role {
        Role::Director => adopt(&mut reconciler, config).await?.desired,
        Role::RealServer => find_desired(&mut reconciler, config).await?.0,
    };
    let removal = reconciler.remove_all(&configured).await?;
    let mut stdout = io::stdout().lock();
    for step in &removal.done {
        writeln!(stdout, "{step}")?;
    }
    for note in snapshot.notes_of_damage().iter().chain(&removal.notes) {
        writeln!(stdout, "# {note}")?;
    }
    let nothing = removal.done.is_empty();
    removal.into_result()?;
    if role == Role::Director {
        if DecisionFile::new(&config.state_dir).remove()? {
            writeln!(
                stdout,
                "# nothing is drained any more, and no weight is set"
            )?;
        }
        StateFile::of_memory(&config.state_dir).remove()?;
    }
    if nothing {
        writeln!(stdout, "nothing to remove")?;
    }
    Ok(ExitStatus::Success)
}
