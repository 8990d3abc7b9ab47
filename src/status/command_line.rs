//! The command lines of this program that its messages propose.

use std::path::Path;

use super::Snapshot;
use crate::config::Config;
use crate::model::Role;
use crate::runtime::own_command::AgentOptions;

/// The options by which a command reaches the agent in this role that was started with this
/// configuration file; the path is empty where the file is not known.
pub(crate) fn agent_options(role: Role, config_path: &Path) -> AgentOptions {
    let is_named = !config_path.as_os_str().is_empty();
    let is_other = is_named && config_path != Path::new(Config::DEFAULT_PATH);
    AgentOptions {
        role,
        config: is_other.then(|| config_path.to_owned()),
    }
}

/// The command line of a subcommand, complete for the agent in this role that was
/// started with this configuration file.
pub(crate) fn command_line(subcommand: &str, role: Role, config_path: &Path) -> String {
    agent_options(role, config_path).command_line(subcommand)
}

impl Snapshot {
    /// The command line of a subcommand for this agent.
    pub(crate) fn command_line(&self, subcommand: &str) -> String {
        command_line(subcommand, self.role, &self.config_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_names_role_and_configuration_that_are_not_the_default() {
        let default = Path::new("/etc/lvs-agent/config.yaml");
        for (subcommand, role, path, expected) in [
            ("reload", Role::Director, default, "lvs-agent reload"),
            (
                "reload",
                Role::RealServer,
                default,
                "lvs-agent reload --real-server",
            ),
            (
                "check-config",
                Role::RealServer,
                Path::new("/srv/lvs.yaml"),
                "lvs-agent check-config --config /srv/lvs.yaml",
            ),
            (
                "undrain web/rs1",
                Role::Director,
                Path::new("/srv/it's mine.yaml"),
                r"lvs-agent undrain web/rs1 --config '/srv/it'\''s mine.yaml'",
            ),
        ] {
            assert_eq!(command_line(subcommand, role, path), expected);
        }
    }
}
