//! The command lines of this program that its messages propose.

use std::path::Path;

use super::{Mode, Snapshot};
use crate::config::Config;
use crate::runtime::shell_word::quoted;

/// The command line of a subcommand, complete for the agent in this role that was
/// started with this configuration file.
pub(crate) fn command_line(subcommand: &str, mode: Mode, config_path: &Path) -> String {
    let mut line = format!("lvs-agent {subcommand}");
    if mode == Mode::RealServer && subcommand != "check-config" {
        line.push_str(" --real-server");
    }
    let is_named = !config_path.as_os_str().is_empty();
    if is_named && config_path != Path::new(Config::DEFAULT_PATH) {
        line.push_str(" --config ");
        line.push_str(&quoted(&config_path.display().to_string()));
    }
    line
}

impl Snapshot {
    /// The command line of a subcommand for this agent.
    pub(crate) fn command_line(&self, subcommand: &str) -> String {
        command_line(subcommand, self.mode, &self.config_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_names_role_and_configuration_that_are_not_the_default() {
        let default = Path::new("/etc/lvs-agent/config.yaml");
        for (subcommand, mode, path, expected) in [
            ("reload", Mode::Director, default, "lvs-agent reload"),
            (
                "reload",
                Mode::RealServer,
                default,
                "lvs-agent reload --real-server",
            ),
            (
                "check-config",
                Mode::RealServer,
                Path::new("/srv/lvs.yaml"),
                "lvs-agent check-config --config /srv/lvs.yaml",
            ),
            (
                "undrain web/rs1",
                Mode::Director,
                Path::new("/srv/it's mine.yaml"),
                r"lvs-agent undrain web/rs1 --config '/srv/it'\''s mine.yaml'",
            ),
        ] {
            assert_eq!(command_line(subcommand, mode, path), expected);
        }
    }
}
