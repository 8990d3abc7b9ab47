//! The Debian package in a machine of a test, as the manual installs and removes it.

use std::env;
use std::fs;
use std::path::PathBuf;

use super::Systemd;

/// In the manual, the package that is installed.
const PACKAGE: &str = "./lvs-agent_0.1.0-1_amd64.deb";

/// Two packages of the same program, of which the first is the earlier version, and
/// their directory. `tests/run.sh` builds them.
pub(crate) fn packages() -> (PathBuf, [String; 2]) {
    let directory = env::var_os("LVS_AGENT_PACKAGES")
        .expect("LVS_AGENT_PACKAGES names the directory of the packages that tests/run.sh builds");
    let directory = PathBuf::from(directory);
    let entries = fs::read_dir(&directory).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let packages = files.filter(|file| file.extension().is_some_and(|kind| kind == "deb"));
    let mut names: Vec<_> = packages
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    (directory, names.try_into().expect("two packages"))
}

/// The command lines of a section of the manual.
fn commands(page: &str, heading: &str) -> Vec<String> {
    let path = format!("{}/deploy/manual/{page}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let section = text.lines().skip_while(|line| *line != heading).skip(1);
    let section = section.take_while(|line| !line.starts_with('#'));
    let lines = section.filter_map(|line| line.strip_prefix("    "));
    let lines = lines.map(|line| line.split(" #").next().unwrap().trim());
    let text = lines.collect::<Vec<_>>().join("\n").replace("\\\n", "");
    let commands: Vec<_> = text.lines().map(str::to_owned).collect();
    assert!(
        !commands.is_empty(),
        "{page} has no commands below {heading}"
    );
    commands
}

/// What installs packages in the place of the manual's apt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageTool {
    Apt,
    /// apt itself takes minutes on an emulated processor.
    Dpkg,
}

impl PackageTool {
    /// The manual's command line, which asks no question, and installs this package.
    fn command(self, command: &str, package: &str) -> String {
        let command = command.replace(PACKAGE, &format!("/mnt/{package}"));
        let Some(action) = command.strip_prefix("apt ") else {
            return command;
        };
        match self {
            Self::Apt => format!("DEBIAN_FRONTEND=noninteractive apt --yes {action}"),
            Self::Dpkg => format!(
                "DEBIAN_FRONTEND=noninteractive dpkg --{}",
                action.replace("--allow-downgrades ", "")
            ),
        }
    }
}

/// A machine in which one unit of the package is installed.
pub(crate) struct Installer<'a> {
    pub(crate) systemd: &'a Systemd<'a>,
    pub(crate) tool: PackageTool,
}

impl Installer<'_> {
    /// Runs a command line, which must succeed. Gives what the command has said.
    pub(crate) fn run(&self, command: &str, package: &str) -> String {
        // `plan` finds changes before the agent has run.
        let wanted = if command.starts_with("lvs-agent plan") {
            3
        } else {
            0
        };
        let command = self.tool.command(command, package);
        let script = format!("{{ {command}; }} 2>&1; echo \"exit code $?\"");
        let output = self.systemd.run(&["sh", "-c", &script]);
        let last = format!("exit code {wanted}");
        let is_right = output.lines().last() == Some(&last);
        assert!(is_right, "{command}:\n{output}\n{}", self.systemd.log());
        output
    }

    /// Runs the commands of a section of the manual, for this unit.
    pub(crate) fn run_section(&self, page: &str, heading: &str, package: &str) {
        for command in commands(page, heading) {
            // The example of the package fits the network of the test.
            if command.starts_with("editor ") {
                continue;
            }
            self.run(&self.for_unit(command), package);
        }
    }

    /// The command line, which the manual has for a director, for the machine's unit.
    fn for_unit(&self, command: String) -> String {
        if self.systemd.unit == "lvs-agent-real-server.service" {
            command
                .replace("lvs-agent-director", "lvs-agent-real-server")
                .replace("cleanup", "cleanup --real-server")
        } else {
            command
        }
    }

    /// Runs the commands of a section in the [`SourceTree`] of this machine, but for the build,
    /// each as `edit` makes it fit the machine.
    pub(crate) fn run_in_source(&self, heading: &str, edit: impl Fn(String) -> String) {
        for command in commands("install.md", heading) {
            if command.starts_with("cargo build ") {
                continue;
            }
            let command = edit(self.for_unit(command));
            self.run(&format!("cd /mnt && {command}"), "");
        }
    }

    /// Installs from the source as the manual says, and starts the agent of this role.
    pub(crate) fn install_from_source(&self, role: &str) {
        self.run_in_source("## From source", |command| command);
        assert_eq!(self.enabled(), "disabled");
        self.run_section("install.md", role, "");
        self.systemd.until_state("active");
        assert_eq!(self.enabled(), "enabled");
    }

    pub(crate) fn version(&self) -> String {
        self.systemd.run(&[
            "dpkg-query",
            "--show",
            "--showformat=${Version}",
            "lvs-agent",
        ])
    }

    fn enabled(&self) -> String {
        self.systemd
            .run(&["systemctl", "is-enabled", self.systemd.unit])
    }

    /// Installs the package, which starts nothing, and then the agent of this role with
    /// the example as its configuration.
    pub(crate) fn install(&self, role: &str, package: &str) {
        let systemd = self.systemd;
        self.run_section("install.md", "### Installation", package);
        assert_eq!(self.enabled(), "disabled");
        assert_eq!(systemd.property("ActiveState"), "inactive");
        let owner = systemd.run(&["stat", "--format=%U:%G %a", "/etc/lvs-agent/config.yaml"]);
        assert_eq!(owner, "root:lvs-agent 640");

        self.run_section("install.md", role, package);
        systemd.until_state("active");
        assert_eq!(self.enabled(), "enabled");
    }

    /// Installs the package over another version: an agent of the installed program runs.
    pub(crate) fn replace(&self, heading: &str, package: &str) {
        let before = self.systemd.agent();
        self.run_section("upgrade.md", heading, package);
        self.systemd.until_state("active");
        let agent = self.systemd.agent();
        assert_ne!(agent, before, "{}", self.systemd.log());
        let program = self
            .systemd
            .run(&["readlink", &format!("/proc/{agent}/exe")]);
        assert_eq!(program, "/usr/bin/lvs-agent");
    }

    /// The files and directories of the package that there are.
    pub(crate) fn files(&self) -> String {
        let find = "find /etc/lvs-agent /var/lib/lvs-agent /run/lvs-agent /usr/bin/lvs-agent \
                    /usr/lib/systemd/system/lvs-agent* -maxdepth 0 2>/dev/null";
        self.systemd.run(&["sh", "-c", find])
    }

    /// Removes the package: the kernel, the state and the configuration stay.
    pub(crate) fn remove(&self, state: &str) {
        let output = self.run("apt remove lvs-agent", "");
        assert!(output.contains("stay in the kernel"), "{output}");
        assert!(output.contains("lvs-agent cleanup"), "{output}");
        assert_eq!(self.systemd.property("ActiveState"), "inactive");
        assert_eq!(
            self.files(),
            "/etc/lvs-agent\n/var/lib/lvs-agent\n/run/lvs-agent"
        );
        self.run(&format!("test -e /var/lib/lvs-agent/{state}"), "");
    }

    /// Purges the package: the kernel alone stays as it is.
    pub(crate) fn purge(&self) {
        let output = self.run("apt purge lvs-agent", "");
        assert!(output.contains("stay until the next boot"), "{output}");
        self.assert_is_gone();
    }

    /// Nothing is left of the package.
    pub(crate) fn assert_is_gone(&self) {
        assert_eq!(self.files(), "");
        let known = self.version();
        assert!(known.contains("no packages found"), "{known}");
        let units = ["systemctl", "list-unit-files", "--no-legend", "lvs-agent*"];
        assert_eq!(self.systemd.run(&units), "");
    }
}
