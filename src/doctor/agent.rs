use std::path::Path;

use serde::Deserialize;

use super::addresses::missing_interface;
use super::{Facts, Finding, Verdict};
use crate::agent::FIXED;
use crate::config::Config;
use crate::model::{Diagnosis, FreezeReason};
use crate::status::Mode;

/// What the running agent says of itself on its control socket.
pub(super) enum RunningAgent {
    /// None answers, for this reason.
    None(String),
    /// One of another version answers, which this program does not understand.
    OtherVersion(String),
    /// Its status.
    Status(Box<Status>),
}

/// Those parts of the status that tell of trouble. An agent of another version
/// may lack some of them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    mode: String,
    version: String,
    #[serde(default)]
    dry_run: bool,
    /// `None` of an agent of an earlier version.
    table: Option<String>,
    config: Configured,
    reconcile: Reconcile,
    #[serde(default)]
    tls_not_read: Vec<String>,
    #[serde(default)]
    weights_held: Vec<String>,
    #[serde(default)]
    virtual_services: Vec<Service>,
}

#[derive(Debug, Clone, Deserialize)]
struct Configured {
    path: String,
    /// `None` of an agent of an earlier version.
    sha256: Option<String>,
    last_reload: Reload,
}

#[derive(Debug, Clone, Deserialize)]
struct Reload {
    error: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reconcile {
    error: Option<String>,
    not_remembered: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Service {
    name: String,
    #[serde(default)]
    real_servers: Vec<RealServer>,
    /// Those of weight 0 whose clients the scheduler refuses.
    #[serde(default)]
    refused_clients_of: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct RealServer {
    name: String,
    address: String,
    /// Why it fails, in one word; `ok` if it does not.
    diagnosis: Option<String>,
    mend: Option<String>,
    last_probe: Option<LastProbe>,
}

#[derive(Debug, Clone, Deserialize)]
struct LastProbe {
    result: String,
    detail: String,
}

impl Facts {
    /// Whether the agent of a director runs here.
    pub(super) fn director_runs(&self) -> bool {
        matches!(&self.agent, RunningAgent::Status(status) if status.mode == Mode::Director.as_str())
    }

    /// Whether the agent that runs here in this role says that its state file
    /// does not hold what is its own: then that file tells nothing.
    pub(super) fn not_remembered(&self) -> bool {
        match &self.agent {
            RunningAgent::Status(status) => {
                status.mode == self.mode.as_str() && status.reconcile.not_remembered.is_some()
            }
            RunningAgent::None(_) | RunningAgent::OtherVersion(_) => false,
        }
    }
}

impl Status {
    /// How many real servers seem to fail while all weights are held.
    fn failing_while_held(&self) -> Option<Finding> {
        let services = self.virtual_services.iter();
        let real_servers = services.flat_map(|service| &service.real_servers);
        let fails = |one: &&RealServer| one.diagnosis.as_deref().is_some_and(|it| it != "ok");
        let number = real_servers.filter(fails).count();
        let (fail, them) = if number == 1 {
            ("real server seems to fail", "it")
        } else {
            ("real servers seem to fail", "them")
        };
        let message =
            format!("{number} {fail}, which says nothing of {them} while all weights are held");
        let mend = "mend this host first, then lvs-agent doctor";
        (number > 0).then(|| Finding::warning("diagnosis", "real servers", message, mend))
    }

    /// An agent that does not change this kernel.
    fn without_effect(&self, mode: Mode) -> Option<Finding> {
        let (what, option) = if self.dry_run {
            ("a dry run, which writes nothing", "--dry-run")
        } else if self.table.as_deref() == Some("memory") {
            (
                "one with its table in memory, which forwards nothing",
                "--table memory",
            )
        } else {
            return None;
        };
        let message = format!("the agent that runs here is {what}");
        let unit = unit(mode);
        let mend = format!("stop it, and start the agent without {option}: systemctl start {unit}");
        Some(Finding::problem("agent", "process", message, mend))
    }

    /// How the agent comes to work by its files as they are now.
    fn load_again(&self, mode: Mode) -> String {
        let error = self.config.last_reload.error.as_ref();
        if error.is_some_and(|error| error.ends_with(FIXED)) {
            let unit = unit(mode);
            return format!("lvs-agent check-config && systemctl restart {unit}");
        }
        "lvs-agent check-config && lvs-agent reload".to_owned()
    }

    /// An agent whose configuration is not the one that was read here.
    fn other_configuration(&self, config: &Config, facts: &Facts) -> Option<Finding> {
        let Configured { path, sha256, .. } = &self.config;
        if sha256.as_ref()? == &config.sha256 {
            return None;
        }
        let given = &facts.config_path;
        let (message, mend) = if Path::new(path) == given {
            (
                format!("the files of {path} have changed since the agent loaded them"),
                self.load_again(facts.mode),
            )
        } else {
            let given = given.display();
            let unit = unit(facts.mode);
            (
                format!("the agent has loaded {path}, which differs from {given}"),
                format!(
                    "lvs-agent doctor --config {path}; or, if {given} is to be in force, name it \
                     in the unit, and systemctl restart {unit}"
                ),
            )
        };
        let verdict = Verdict::Warning;
        Some(Finding::bad(
            verdict,
            "agent",
            "configuration",
            message,
            mend,
        ))
    }
}

impl RealServer {
    /// The diagnosis, with what the last probe met where it failed.
    fn told(&self, cause: &str) -> String {
        match &self.last_probe {
            Some(LastProbe { result, detail }) if result != "ok" => format!("{cause}: {detail}"),
            Some(_) | None => cause.to_owned(),
        }
    }

    /// Of an agent that does not say what mends it, this is known.
    fn mend(&self) -> String {
        let there = || format!("on {}: `lvs-agent doctor --real-server`", self.address);
        self.mend.clone().unwrap_or_else(there)
    }
}

const fn unit(mode: Mode) -> &'static str {
    match mode {
        Mode::Director => "lvs-agent-director",
        Mode::RealServer => "lvs-agent-real-server",
    }
}

/// What starts the agent, after what it cannot do its work without.
pub(super) fn start(config: &Config, facts: &Facts) -> String {
    let start = format!("systemctl start {}", unit(facts.mode));
    match missing_interface(config, facts) {
        Some(missing) => format!("{}; then {start}", missing.mend(facts)),
        None => start,
    }
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let status = match &facts.agent {
        RunningAgent::None(why) => {
            let mend = start(config, facts);
            return vec![Finding::warning("agent", "process", why, mend)];
        }
        RunningAgent::OtherVersion(why) => {
            let mend = "run `lvs-agent doctor` of that version, or restart the agent with this one";
            return vec![Finding::warning("agent", "process", why, mend)];
        }
        RunningAgent::Status(status) => status,
    };
    if status.mode != facts.mode.as_str() {
        let message = format!("the agent that runs here is a {}", status.mode);
        let mend = match facts.mode {
            Mode::Director => "lvs-agent doctor --real-server",
            Mode::RealServer => "lvs-agent doctor",
        };
        return vec![Finding::warning("agent", "process", message, mend)];
    }
    let message = format!("version {} runs", status.version);
    let mut findings = vec![Finding::ok("agent", "process", message)];
    findings.extend(status.without_effect(facts.mode));
    findings.extend(status.other_configuration(config, facts));
    if let Some(error) = &status.config.last_reload.error {
        let message = format!("the last reload failed: {error}");
        let mend = status.load_again(facts.mode);
        findings.push(Finding::problem("agent", "configuration", message, mend));
    }
    if let Some(error) = &status.reconcile.error {
        let message = format!("the kernel is not as configured: {error}");
        let mend = format!("journalctl -u {}", unit(facts.mode));
        findings.push(Finding::problem("agent", "reconcile", message, mend));
    }
    if let Some(why) = &status.reconcile.not_remembered {
        let directory = config.state_dir.display();
        let mend = format!("df -h {directory}; make room there, or let the agent write there");
        findings.push(Finding::problem("agent", &directory, why, mend));
    }
    for why in &status.tls_not_read {
        let mend = "mend the file, which the agent reads again by itself; lvs-agent status";
        findings.push(Finding::problem("agent", "TLS", why, mend));
    }
    let by_clock = |reason: &&String| *reason == FreezeReason::Clock.as_str();
    if status.weights_held.iter().any(|reason| by_clock(&reason)) {
        let message = format!("{}: {}", FreezeReason::Clock.what(), FreezeReason::Clock);
        let mend = "timedatectl set-ntp true";
        findings.push(Finding::problem("agent", "clock", message, mend));
    }
    let mut of_all = status
        .weights_held
        .iter()
        .filter(|it| !by_clock(it))
        .peekable();
    let all_are_held = of_all.peek().is_some();
    for reason in of_all {
        let message = format!("all weights are held ({reason}): the fault is likely this host's");
        findings.push(Finding::warning(
            "agent",
            "weights",
            message,
            "ip link; ip route",
        ));
    }
    if all_are_held {
        // The director's own fault comes first: what probes see then says
        // nothing of the real servers.
        findings.extend(status.failing_while_held());
        return findings;
    }
    for service in &status.virtual_services {
        if !service.refused_clients_of.is_empty() {
            let message = format!(
                "the scheduler refuses the clients of {}, as its weight is 0",
                service.refused_clients_of.join(", ")
            );
            let mend = "write `scheduler_flags: [fallback]` for it, then: lvs-agent reload";
            findings.push(Finding::warning("diagnosis", &service.name, message, mend));
        }
        for real_server in &service.real_servers {
            let subject = format!("{}/{}", service.name, real_server.name);
            match real_server.diagnosis.as_deref() {
                None => {}
                Some("ok") => findings.push(Finding::ok("diagnosis", &subject, "ok")),
                Some(cause) => {
                    // What cannot be told changes no verdict.
                    let verdict = if cause == Diagnosis::Unverified.as_str() {
                        Verdict::Warning
                    } else {
                        Verdict::Problem
                    };
                    let (told, mend) = (real_server.told(cause), real_server.mend());
                    findings.push(Finding::bad(verdict, "diagnosis", &subject, told, mend));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
