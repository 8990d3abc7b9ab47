use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::{Done, Failure, load};
use crate::cli::PlanArguments;
use crate::config::Config;
use crate::kernel::{Kernel, KernelIpvs};
use crate::model::Weight;
use crate::plan::{State, Step, Subject};
use crate::reconcile::{Reconciler, StateFile, Writing, adopt, find_desired};
use crate::snapshot::{Mode, Snapshot};
use crate::{clock, metrics::Metrics};

/// What `plan --json` prints.
#[derive(Serialize)]
struct PlanResponse {
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    action: &'static str,
    kind: &'static str,
    text: String,
}

pub(super) async fn run(arguments: PlanArguments) -> Result<Done, Failure> {
    let config = load(&arguments.config.path)?;
    let mode = if arguments.real_server {
        Mode::RealServer
    } else {
        Mode::Director
    };
    let mut reconciler = observer(&config, mode)?;
    let (desired, observed) = match mode {
        Mode::Director => adopt(&mut reconciler, &config).await?,
        Mode::RealServer => find_desired(&mut reconciler, &config).await?,
    };
    let steps = reconciler.plan(&desired, &observed.state);
    let mut stdout = io::stdout().lock();
    if arguments.json {
        let changes = steps.iter().map(change).collect();
        serde_json::to_writer_pretty(&mut stdout, &PlanResponse { changes })?;
        writeln!(stdout)?;
    } else {
        for step in &steps {
            writeln!(stdout, "{step}")?;
        }
        for line in waiting(&config, &desired) {
            writeln!(stdout, "{line}")?;
        }
        if steps.is_empty() {
            writeln!(stdout, "nothing to change")?;
        }
    }
    stdout.flush()?;
    Ok(if steps.is_empty() {
        Done::Well
    } else {
        Done::Found
    })
}

/// Something that reads this kernel and never writes it.
pub(super) fn observer(config: &Config, mode: Mode) -> Result<Reconciler<KernelIpvs>, Failure> {
    let now = clock::wall();
    let snapshot = Arc::new(Snapshot::empty(mode, "".into(), now));
    let metrics = Arc::new(Metrics::new([])?);
    let state_file = StateFile::new(&config.state_dir, mode);
    let kernel = Kernel::with_table(KernelIpvs::new());
    Ok(Reconciler::new(
        kernel,
        state_file,
        Writing::DryRun,
        snapshot,
        metrics,
    )?)
}

/// A comment for each real server whose weight waits for its check.
fn waiting(config: &Config, desired: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &config.virtual_services {
        let Some(state) = desired.services.get(&service.key) else {
            continue;
        };
        for real_server in &service.real_servers {
            let held = state.destinations.get(&real_server.key).map(|d| d.weight);
            if let Some(held) = held.filter(|held| *held != real_server.weight) {
                let until = if held == Weight::ZERO {
                    "passes"
                } else {
                    "has a verdict"
                };
                lines.push(format!(
                    "# {} of {}: weight {held} until its check {until}, then {}",
                    real_server.name, service.name, real_server.weight
                ));
            }
        }
    }
    lines
}

fn change(step: &Step) -> Change {
    let action = match step {
        Step::AddService { .. } | Step::AddDestination { .. } | Step::AddAddress(_) => "add",
        Step::SetSysctl { .. }
        | Step::RestoreSysctl { .. }
        | Step::SetTimeout { .. }
        | Step::RestoreTimeout { .. }
        | Step::SetService { .. }
        | Step::SetDestination { .. } => "change",
        Step::RemoveService { .. } | Step::RemoveDestination { .. } | Step::RemoveAddress(_) => {
            "remove"
        }
    };
    let kind = match step.subject() {
        Subject::Sysctl(_) => "sysctl",
        Subject::Timeout(_) => "timeout",
        Subject::Service(_) => "virtual_service",
        Subject::Destination(..) => "real_server",
        Subject::Address(_) => "address",
    };
    Change {
        action,
        kind,
        text: step.to_string(),
    }
}
