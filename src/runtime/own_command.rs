//! The commands of this program that messages name, complete for the agent that says them.
//!
//! Diagnoses and fixes are made where nobody knows with which configuration the agent was
//! started. Whoever shows them completes them.

use std::borrow::Cow;
use std::sync::OnceLock;

/// The commands that ask the agent, or read its configuration.
const COMMANDS: [&str; 4] = ["status", "doctor", "reload", "check-config"];

/// The options by which a command reaches this agent.
static OPTIONS: OnceLock<String> = OnceLock::new();

/// From now on, commands have these options, such as `--config /srv/lvs.yaml`. It is called
/// once per process; a second call is ignored.
pub(crate) fn set_options(options: &str) {
    let _ = OPTIONS.set(options.trim().to_owned());
}

/// The text with the options in each command that stands between backquotes and has none.
pub(crate) fn complete(text: &str) -> Cow<'_, str> {
    complete_with(text, OPTIONS.get().map_or("", String::as_str))
}

fn complete_with<'t>(text: &'t str, options: &str) -> Cow<'t, str> {
    if options.is_empty() || !text.contains("`lvs-agent ") {
        return text.into();
    }
    let mut completed = text.to_owned();
    for command in COMMANDS {
        let bare = format!("`lvs-agent {command}`");
        completed = completed.replace(&bare, &format!("`lvs-agent {command} {options}`"));
    }
    completed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_this_agent_have_its_options_and_those_for_other_hosts_have_not() {
        let text = "see `lvs-agent status` and `lvs-agent doctor`; there `lvs-agent doctor \
                    --real-server`, or `nft list ruleset`";
        assert_eq!(complete_with(text, ""), text);
        assert_eq!(
            complete_with(text, "--config '/srv/my lvs.yaml'"),
            "see `lvs-agent status --config '/srv/my lvs.yaml'` and `lvs-agent doctor --config \
             '/srv/my lvs.yaml'`; there `lvs-agent doctor --real-server`, or `nft list ruleset`"
        );
    }
}
