//! What the running agent says of itself.

use std::path::Path;

use super::addresses::missing_interface;
use super::{Facts, Finding, FindingSeverity};
use crate::agent::FIXED;
use crate::config::Config;
use crate::model::{ConditionType, Diagnosis, Role, Severity};
use crate::runtime::shell_word::quoted;
use crate::status::command_line;
use crate::status::document::{
    ConditionStatus, ConfigStatus, ProbeStatus, RealServerStatus, ServiceStatus, StatusResponse,
};

/// What the running agent says of itself on its control socket.
pub(super) enum RunningAgent {
    /// None answers, for this reason.
    None(String),
    /// An agent of another version answers, which this program does not understand.
    OtherVersion(String),
    /// Its status.
    Status(Box<StatusResponse>),
}

impl Facts {
    /// Whether the agent of a director runs here.
    pub(super) fn director_runs(&self) -> bool {
        matches!(&self.agent, RunningAgent::Status(status) if status.mode == Role::Director.as_str())
    }

    /// Whether the state file of the agent that runs here in this role does not
    /// hold what the agent owns: then that file tells nothing.
    pub(super) fn state_is_not_saved(&self) -> bool {
        let not_saved = ConditionType::OwnershipNotSaved.as_str();
        match &self.agent {
            RunningAgent::Status(status) => {
                status.mode == self.role.as_str()
                    && status.conditions.iter().any(|one| one.kind == not_saved)
            }
            RunningAgent::None(_) | RunningAgent::OtherVersion(_) => false,
        }
    }
}

/// How many real servers seem to fail while all weights are frozen.
fn failing_while_frozen(status: &StatusResponse, facts: &Facts) -> Option<Finding> {
    let services = status.virtual_services.iter().flatten();
    let real_servers = services.flat_map(|service| &service.real_servers);
    let fails =
        |one: &&RealServerStatus| one.diagnosis.as_deref().is_some_and(|found| found != "ok");
    let number = real_servers.filter(fails).count();
    let (fail, them) = if number == 1 {
        ("real server seems to fail", "it")
    } else {
        ("real servers seem to fail", "them")
    };
    let message =
        format!("{number} {fail}, which says nothing of {them} while all weights are frozen");
    let doctor = facts.command_line("doctor");
    let fix = format!("end what freezes the weights first, then {doctor}");
    (number > 0).then(|| Finding::warning("diagnosis", "real servers", message, fix))
}

/// An agent that does not change this kernel.
fn without_effect(status: &StatusResponse, role: Role) -> Option<Finding> {
    let (what, option) = if status.dry_run {
        ("a dry run, which writes nothing", "--dry-run")
    } else if status.table == "memory" {
        (
            "one with its table in memory, which forwards nothing",
            "--table memory",
        )
    } else {
        return None;
    };
    let message = format!("the agent that runs here is {what}");
    let unit = role.unit();
    let fix = format!("stop it, and start the agent without {option}: systemctl start {unit}");
    Some(Finding::problem("agent", "process", message, fix))
}

/// How the agent comes to work by its files as they are now.
fn load_again(status: &StatusResponse, facts: &Facts) -> String {
    let check = facts.command_line("check-config");
    let error = status.config.last_reload.error.as_ref();
    if error.is_some_and(|error| error.ends_with(FIXED)) {
        return format!("{check} && systemctl restart {}", facts.role.unit());
    }
    format!("{check} && {}", facts.command_line("reload"))
}

/// An agent whose configuration is not the one that was read here.
fn other_configuration(status: &StatusResponse, config: &Config, facts: &Facts) -> Option<Finding> {
    let ConfigStatus { path, sha256, .. } = &status.config;
    // An agent that does not tell has the configuration that is asked about.
    if sha256.is_empty() || *sha256 == config.sha256 {
        return None;
    }
    let given = &facts.config_path;
    let (message, fix) = if Path::new(path) == given {
        (
            format!("the files of {path} have changed since the agent loaded them"),
            load_again(status, facts),
        )
    } else {
        let given = given.display();
        let unit = facts.role.unit();
        let doctor = command_line("doctor", facts.role, Path::new(""));
        let loaded = quoted(path);
        (
            format!("the agent has loaded {path}, which differs from {given}"),
            format!(
                "{doctor} --config {loaded}; or, if {given} is to be in force, name it in the unit, \
                 and systemctl restart {unit}"
            ),
        )
    };
    let verdict = FindingSeverity::Warning;
    let check = "agent";
    Some(Finding::bad(verdict, check, "configuration", message, fix))
}

/// Whether `doctor` has examined the subject of the condition by itself. Without
/// the permission to ask on the link or to read the table, the agent knows more.
fn is_examined(condition: &ConditionStatus, facts: &Facts) -> bool {
    let link = facts.claims.as_ref();
    let link_is_examined = link.is_some_and(|claims| claims.error.is_none());
    let marks_are_examined = facts.vip_probes.is_some()
        && matches!(facts.table, Some(Ok(_)))
        && !facts.state_is_not_saved();
    let mut damaged = facts.damaged.iter();
    let file_is_examined = damaged.any(|damage| damage.file().as_os_str() == &*condition.subject);
    let examined = [
        (ConditionType::StateFileDamaged, file_is_examined),
        (ConditionType::VipMissing, true),
        (ConditionType::SysctlWrong, true),
        (ConditionType::ServiceNotReady, true),
        (ConditionType::HostUnreadable, true),
        (ConditionType::ArpConflict, link_is_examined),
        (ConditionType::ForeignMark, marks_are_examined),
        (ConditionType::MarksExhausted, marks_are_examined),
    ];
    examined
        .iter()
        .any(|(kind, is_examined)| *is_examined && kind.as_str() == condition.kind)
}

/// A condition that the agent shows.
fn of_condition(condition: &ConditionStatus) -> Finding {
    let verdict = if condition.severity == Severity::Warning.as_str() {
        FindingSeverity::Warning
    } else {
        FindingSeverity::Problem
    };
    let subject = format!("{} {}", condition.kind, condition.subject);
    let (message, fix) = (&condition.message, &condition.fix);
    Finding::bad(verdict, "condition", &subject, message, fix)
}

/// The diagnosis, with what the last probe met where it failed.
fn cause(server: &RealServerStatus, diagnosis: &str) -> String {
    match &server.last_probe {
        Some(ProbeStatus { result, detail, .. }) if result != "ok" => {
            format!("{diagnosis}: {detail}")
        }
        Some(_) | None => diagnosis.to_owned(),
    }
}

/// What fixes it; of an agent that does not say so, this is known.
fn fix(server: &RealServerStatus) -> String {
    let there = || format!("on {}: `lvs-agent doctor --real-server`", server.address);
    server.fix.clone().unwrap_or_else(there)
}

/// What starts the agent, after what it cannot do its work without.
pub(super) fn start(config: &Config, facts: &Facts) -> String {
    let start = format!("systemctl start {}", facts.role.unit());
    match missing_interface(config, facts) {
        Some(missing) => format!("{}; then {start}", missing.fix(facts)),
        None => start,
    }
}

pub(super) fn examine(config: &Config, facts: &Facts) -> Vec<Finding> {
    let status = match &facts.agent {
        RunningAgent::None(why) => {
            let fix = start(config, facts);
            return vec![Finding::warning("agent", "process", why, fix)];
        }
        RunningAgent::OtherVersion(why) => {
            let fix = format!(
                "run `{}` of that version, or restart the agent with this one",
                facts.command_line("doctor")
            );
            return vec![Finding::warning("agent", "process", why, fix)];
        }
        RunningAgent::Status(status) => status,
    };
    if status.mode != facts.role.as_str() {
        let message = format!("the agent that runs here is a {}", status.mode);
        let other = match facts.role {
            Role::Director => Role::RealServer,
            Role::RealServer => Role::Director,
        };
        let fix = command_line("doctor", other, &facts.config_path);
        return vec![Finding::warning("agent", "process", message, fix)];
    }
    let message = format!("version {} runs", status.version);
    let mut findings = vec![Finding::ok("agent", "process", message)];
    findings.extend(without_effect(status, facts.role));
    findings.extend(other_configuration(status, config, facts));
    let conditions = status.conditions_of_doctor();
    let conditions = conditions.filter(|condition| !is_examined(condition, facts));
    findings.extend(conditions.map(of_condition));
    if status.all_weights_are_frozen() {
        // The director's own fault comes first: what probes see then says
        // nothing of the real servers.
        findings.extend(failing_while_frozen(status, facts));
        return findings;
    }
    for service in status.virtual_services.iter().flatten() {
        findings.extend(of_service(service, facts));
    }
    findings
}

fn of_service(service: &ServiceStatus, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !service.refused_clients_of.is_empty() {
        let message = format!(
            "the scheduler refuses the clients of {}, as its weight is 0",
            service.refused_clients_of.join(", ")
        );
        let reload = facts.command_line("reload");
        let fix = format!("write `scheduler_flags: [fallback]` for it, then: {reload}");
        findings.push(Finding::warning("diagnosis", &service.name, message, fix));
    }
    for server in &service.real_servers {
        let subject = format!("{}/{}", service.name, server.name);
        match server.diagnosis.as_deref() {
            None => {}
            Some("ok") => findings.push(Finding::ok("diagnosis", &subject, "ok")),
            Some(diagnosis) => {
                // A fact that cannot be found out changes no verdict.
                let verdict = if diagnosis == Diagnosis::Unverified.as_str() {
                    FindingSeverity::Warning
                } else {
                    FindingSeverity::Problem
                };
                let (cause, fix) = (cause(server, diagnosis), fix(server));
                findings.push(Finding::bad(verdict, "diagnosis", &subject, cause, fix));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
