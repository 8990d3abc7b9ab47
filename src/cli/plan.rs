//! The subcommand `plan`: what `run` would change in the kernel, as lines or as JSON.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::{CommandFailure, ExitStatus, load, write_json};
use crate::agent::decisions::DecisionFile;
use crate::cli::arguments::PlanArguments;
use crate::cli::terminal::{Canvas, Tone};
use crate::config::Config;
use crate::doctor;
use crate::kernel::{Ipvs, Kernel, KernelIpvs};
use crate::metrics::Metrics;
use crate::model::{Role, ServiceKey, Weight};
use crate::plan::{State, Step, Subject};
use crate::reconcile::{NOTHING_LISTED, Reconciler, StateFile, Writing, adopt, find_desired};
use crate::runtime::clock;
use crate::status::Snapshot;

/// What `plan --json` prints.
#[derive(Serialize)]
struct PlanResponse {
    changes: Vec<Change>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Change {
    action: &'static str,
    kind: &'static str,
    /// What it is done to.
    subject: SubjectKey,
    text: String,
}

/// The keys of a change's subject.
#[derive(Serialize)]
#[serde(untagged)]
enum SubjectKey {
    Sysctl {
        sysctl: String,
    },
    Timeout {
        timeout: String,
    },
    Service {
        virtual_service: String,
    },
    RealServer {
        virtual_service: String,
        real_server: String,
    },
    Address {
        address: String,
        interface: String,
    },
}

pub(super) async fn run(arguments: PlanArguments) -> Result<ExitStatus, CommandFailure> {
    let config = load(&arguments.config.path)?;
    let role = if arguments.real_server {
        Role::RealServer
    } else {
        Role::Director
    };
    let mut reconciler = observer(&config, role)?;
    let (desired, observed) = match role {
        Role::Director => {
            let adopted = adopt(&mut reconciler, &config).await?;
            (adopted.desired, adopted.observed)
        }
        Role::RealServer => find_desired(&mut reconciler, &config).await?,
    };
    let steps = reconciler.plan(&desired, &observed.state);
    let mut notes = notes(&config, &reconciler, &desired, &observed.foreign);
    if role == Role::Director {
        notes.extend(doctor::notes_of_modules(&config, &arguments.config.path));
    }
    if role == Role::RealServer && desired.addresses.is_empty() {
        notes.push(NOTHING_LISTED.to_owned());
    }
    let mut stdout = io::stdout().lock();
    if arguments.json {
        let changes = steps.iter().map(change).collect();
        write_json(&mut stdout, &PlanResponse { changes, notes })?;
    } else {
        let canvas = Canvas::stdout();
        for step in &steps {
            let line = step.to_string();
            writeln!(stdout, "{}", canvas.paint(&line, tone(&line)))?;
        }
        for note in &notes {
            writeln!(stdout, "# {note}")?;
        }
        if steps.is_empty() {
            writeln!(stdout, "nothing to change")?;
        }
    }
    stdout.flush()?;
    Ok(if steps.is_empty() {
        ExitStatus::Success
    } else {
        ExitStatus::Findings
    })
}

/// As `diff` colours its lines, by the sign that the line of a step begins with.
fn tone(line: &str) -> Option<Tone> {
    match line.chars().next() {
        Some('+') => Some(Tone::Addition),
        Some('~') => Some(Tone::Warning),
        Some('-') => Some(Tone::Problem),
        Some(_) | None => None,
    }
}

/// Something that reads this kernel and never writes it.
pub(super) fn observer(
    config: &Config,
    role: Role,
) -> Result<Reconciler<KernelIpvs>, CommandFailure> {
    let now = clock::wall();
    let snapshot = Arc::new(Snapshot::empty(role, "".into(), now));
    if role == Role::Director {
        let drains = DecisionFile::new(&config.state_dir);
        let loaded = drains.load(Writing::DryRun.if_damaged())?;
        let conditions = &snapshot.conditions;
        conditions.note_damage(drains.path(), loaded.reported(), now);
    }
    let metrics = Arc::new(Metrics::new([])?);
    let state_file = StateFile::new(&config.state_dir, role);
    let kernel = Kernel::with_table(KernelIpvs::new());
    Ok(Reconciler::new(
        kernel,
        state_file,
        Writing::DryRun,
        snapshot,
        metrics,
    )?)
}

/// What there is to say beside the steps.
fn notes<T: Ipvs>(
    config: &Config,
    reconciler: &Reconciler<T>,
    desired: &State,
    foreign: &BTreeSet<ServiceKey>,
) -> Vec<String> {
    let mut notes = reconciler.notes_of_damage();
    notes.extend(waiting(config, desired));
    notes.extend(reconciler.notes_of_leaving());
    notes.extend(reconciler.notes_of_marks(foreign));
    notes
}

/// A note for each real server whose weight waits for its check.
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
                    "{} of {}: weight {held} until its check {until}, then {}",
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
    let (kind, subject) = match step.subject() {
        Subject::Sysctl(key) => {
            let sysctl = key.to_string();
            ("sysctl", SubjectKey::Sysctl { sysctl })
        }
        Subject::Timeout(timeout) => {
            let timeout = timeout.to_string();
            ("timeout", SubjectKey::Timeout { timeout })
        }
        Subject::Service(key) => {
            let virtual_service = key.to_string();
            ("virtual_service", SubjectKey::Service { virtual_service })
        }
        Subject::Destination(service, key) => {
            let subject = SubjectKey::RealServer {
                virtual_service: service.to_string(),
                real_server: key.to_string(),
            };
            ("real_server", subject)
        }
        Subject::Address(address) => {
            let subject = SubjectKey::Address {
                address: address.address.to_string(),
                interface: address.interface,
            };
            ("address", subject)
        }
    };
    Change {
        action,
        kind,
        subject,
        text: step.to_string(),
    }
}

#[cfg(test)]
mod tests;
