use serde::Deserialize;

use super::addresses::{CORRECT_INTERFACE, missing_interface};
use super::{Facts, Finding, Verdict};
use crate::config::Config;
use crate::diagnosis::Diagnosis;
use crate::snapshot::Mode;

/// What the running agent says of itself on its control socket.
pub(super) enum RunningAgent {
    /// None answers, for this reason.
    None(String),
    /// Its status.
    Status(Status),
}

/// Those parts of the status that tell of trouble. An agent of another version
/// may lack some of them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    mode: String,
    version: String,
    config: Configured,
    reconcile: Reconcile,
    #[serde(default)]
    weights_held: Vec<String>,
    #[serde(default)]
    virtual_services: Vec<Service>,
}

#[derive(Debug, Clone, Deserialize)]
struct Configured {
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
            RunningAgent::None(_) => false,
        }
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
        Some(_) => format!("{CORRECT_INTERFACE}; then {start}"),
        None => start,
    }
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let status = match &facts.agent {
        RunningAgent::None(why) => {
            let mend = start(config, facts);
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
    if let Some(error) = &status.config.last_reload.error {
        let message = format!("the last reload failed: {error}");
        let mend = "lvs-agent check-config && lvs-agent reload";
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
    for reason in &status.weights_held {
        let message = format!("all weights are held ({reason}): the fault is likely this host's");
        findings.push(Finding::warning(
            "agent",
            "weights",
            message,
            "ip link; ip route",
        ));
    }
    for service in &status.virtual_services {
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
