use serde::Deserialize;

use super::{Facts, Finding};
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
}

pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    let unit = match facts.mode {
        Mode::Director => "lvs-agent-director",
        Mode::RealServer => "lvs-agent-real-server",
    };
    let status = match &facts.agent {
        RunningAgent::None(why) => {
            let mend = format!("systemctl start {unit}");
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
        let mend = format!("journalctl -u {unit}");
        findings.push(Finding::problem("agent", "reconcile", message, mend));
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
                    let at = &real_server.address;
                    let known = Diagnosis::ALL.into_iter().find(|d| d.as_str() == cause);
                    let there = format!("on the host of {at}: lvs-agent doctor --real-server");
                    let mend = match known.and_then(Diagnosis::mend) {
                        Some(mend) => format!("{mend}; {there}"),
                        None => there,
                    };
                    findings.push(Finding::problem("diagnosis", &subject, cause, mend));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
