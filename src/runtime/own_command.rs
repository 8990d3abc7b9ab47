//! The commands of this program that messages name, complete for the agent that says them.
//!
//! Diagnoses and fixes are made where nobody knows with which configuration the agent was
//! started. Whoever shows them completes them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::shell_word::quoted;
use crate::model::Role;

/// The commands that ask the agent, or read its configuration.
const COMMANDS: [&str; 4] = ["status", "doctor", "reload", "check-config"];

/// The options by which commands reach the agent of this process.
static OPTIONS: OnceLock<AgentOptions> = OnceLock::new();

/// The options by which a command reaches an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentOptions {
    pub(crate) role: Role,
    /// The configuration file; `None` for the default, and where the file is not known.
    pub(crate) config: Option<PathBuf>,
}

impl AgentOptions {
    /// The command line of a subcommand, complete for this agent.
    pub(crate) fn command_line(&self, subcommand: &str) -> String {
        let mut line = format!("lvs-agent {subcommand}");
        if self.role == Role::RealServer && subcommand != "check-config" {
            line.push_str(" --real-server");
        }
        if let Some(config) = &self.config {
            line.push_str(" --config ");
            line.push_str(&quoted(&config.display().to_string()));
        }
        line
    }
}

/// From now on, commands have these options. It is called once per process; a second call is
/// ignored.
pub(crate) fn set_options(options: AgentOptions) {
    let _ = OPTIONS.set(options);
}

/// The text with the options in each command that stands between backquotes and has none.
pub(crate) fn complete(text: &str) -> Cow<'_, str> {
    match OPTIONS.get() {
        Some(options) => complete_with(text, options),
        None => text.into(),
    }
}

fn complete_with<'t>(text: &'t str, options: &AgentOptions) -> Cow<'t, str> {
    if !text.contains("`lvs-agent ") {
        return text.into();
    }
    let mut completed = text.to_owned();
    for command in COMMANDS {
        let bare = format!("`lvs-agent {command}`");
        completed = completed.replace(&bare, &format!("`{}`", options.command_line(command)));
    }
    completed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(role: Role, config: Option<&str>) -> AgentOptions {
        let config = config.map(PathBuf::from);
        AgentOptions { role, config }
    }

    #[test]
    fn commands_for_this_agent_have_its_options_and_those_for_other_hosts_have_not() {
        let text = "see `lvs-agent status` and `lvs-agent doctor`; there `lvs-agent doctor \
                    --real-server`, or `nft list ruleset`";
        assert_eq!(complete_with(text, &options(Role::Director, None)), text);
        assert_eq!(
            complete_with(text, &options(Role::Director, Some("/srv/my lvs.yaml"))),
            "see `lvs-agent status --config '/srv/my lvs.yaml'` and `lvs-agent doctor --config \
             '/srv/my lvs.yaml'`; there `lvs-agent doctor --real-server`, or `nft list ruleset`"
        );
        assert_eq!(
            complete_with(
                "`lvs-agent check-config`, `lvs-agent reload`",
                &options(Role::RealServer, None)
            ),
            "`lvs-agent check-config`, `lvs-agent reload --real-server`"
        );
    }
}
