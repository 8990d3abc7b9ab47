use std::io::{self, Write};
use std::sync::Arc;

use super::{Done, Failure, load};
use crate::cli::CleanupArguments;
use crate::clock;
use crate::drain::DrainFile;
use crate::kernel::{Kernel, KernelIpvs};
use crate::metrics::Metrics;
use crate::reconcile::{Reconciler, RoleLock, StateFile, StateLock, Writing, adopt, find_desired};
use crate::snapshot::{Mode, Snapshot};

/// Holds the agent's lock meanwhile: what a running agent would put back at
/// once is not removed.
pub(super) async fn run(arguments: CleanupArguments) -> Result<Done, Failure> {
    let config = load(&arguments.config.path)?;
    let mode = if arguments.real_server {
        Mode::RealServer
    } else {
        Mode::Director
    };
    let _lock = RoleLock::take(mode).await?;
    let _state_lock = StateLock::take(&config.state_dir, mode).await?;
    if mode == Mode::Director {
        DrainFile::new(&config.state_dir).refuse_newer()?;
    }
    let mut reconciler = Reconciler::new(
        Kernel::with_table(KernelIpvs::new()),
        StateFile::new(&config.state_dir, mode),
        Writing::Real,
        Arc::new(Snapshot::empty(mode, arguments.config.path, clock::wall())),
        Arc::new(Metrics::new([])?),
    )?;
    let configured = match mode {
        Mode::Director => adopt(&mut reconciler, &config).await?.desired,
        Mode::RealServer => find_desired(&mut reconciler, &config).await?.0,
    };
    let removal = reconciler.remove_all(&configured).await?;
    let mut stdout = io::stdout().lock();
    for step in &removal.done {
        writeln!(stdout, "{step}")?;
    }
    for note in &removal.notes {
        writeln!(stdout, "# {note}")?;
    }
    let nothing = removal.done.is_empty();
    removal.whole()?;
    if mode == Mode::Director {
        if DrainFile::new(&config.state_dir).remove()? {
            writeln!(stdout, "# nothing is drained any more")?;
        }
        StateFile::of_memory(&config.state_dir).remove()?;
    }
    if nothing {
        writeln!(stdout, "nothing to remove")?;
    }
    Ok(Done::Well)
}
