//! A real systemd in a network namespace, with one unit of `deploy/` or with packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Namespace, PATIENCE, PROGRAM, Process, until};

/// Becomes a machine whose writes are in its own tmpfs, and whose systemd starts nothing
/// but the journal.
const MACHINE: &str = r#"
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    for path in /run /tmp /var/lib /var/log /var/tmp; do
        mount -t tmpfs tmpfs "$path"
    done
    for path in /etc /usr; do
        mkdir -p "/run$path" "/run$path.work"
        mount -t overlay -o "lowerdir=$path,upperdir=/run$path,workdir=/run$path.work" overlay "$path"
    done
    for path in /usr/lib/systemd/system/*.wants /etc/systemd/system; do
        mount -t tmpfs tmpfs "$path"
    done
    ln -s ../systemd-journald.service /usr/lib/systemd/system/sysinit.target.wants
    export container=lab
"#;

/// The machine's files that are needed before the machine hides them: the unit and the
/// program, which are installed as the unit's first lines say, the configuration and the
/// file of the user, in this order.
const UNIT_FILES: &str = r#"
    set -e
    unit=$(basename "$1")
    for path in "$@"; do
        test -r "$path"
    done
    exec 3<"$1" 4<"$3" 5<"$4"
    mount -t tmpfs tmpfs /mnt
    touch /mnt/program
    mount --bind "$2" /mnt/program
"#;

/// Installs them, and starts the unit.
const UNIT_INSTALLED: &str = r#"
    mount -t tmpfs tmpfs /usr/local/bin
    touch /usr/local/bin/lvs-agent
    mount --bind /mnt/program /usr/local/bin/lvs-agent
    mkdir /etc/lvs-agent
    cat <&4 >/etc/lvs-agent/config.yaml
    cat <&3 >"/etc/systemd/system/$unit"
    mkdir -p /etc/sysusers.d
    cat <&5 >/etc/sysusers.d/lvs-agent.conf
    systemd-sysusers
    chown root:lvs-agent /etc/lvs-agent/config.yaml
    chmod 640 /etc/lvs-agent/config.yaml
    exec 3<&- 4<&- 5<&-
    exec /lib/systemd/systemd --system --log-target=journal --unit="$unit"
"#;

/// The directory of packages is at /mnt, and dpkg knows what they depend on: this
/// machine's own database is large, and has none of them.
const PACKAGES: &str = r#"
    set -e
    mount --bind "$1" /mnt
    known=$(dpkg-query --status libc6 systemd |
        grep -E '^(Package|Status|Architecture|Multi-Arch|Version|Maintainer|Description):|^$')
"#;

/// Starts systemd alone. An image of Debian for containers tells dpkg to leave out
/// documentation, and packages to start nothing.
const PACKAGES_KNOWN: &str = r#"
    mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/apt/lists/partial /var/log/apt
    printf '%s\n' "$known" >/var/lib/dpkg/status
    rm -f /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/*
    exec /lib/systemd/systemd --system --log-target=journal --unit=basic.target
"#;

/// Gives the systemd a tree of control groups of its own: two that have a unit of the
/// same name would else remove each other's control group between its making and the
/// start of the process in it (`status=219/CGROUP`).
const OWN_CONTROL_GROUPS: &str = r#"
    set -e
    groups=/sys/fs/cgroup
    mount -t cgroup2 cgroup2 "$groups"
    sed 's/[^ ]*/+&/g' "$groups/cgroup.controllers" >"$groups/cgroup.subtree_control"
    own=$(mktemp -d "$groups/systemd.XXXXXX")
    echo $$ >"$own/cgroup.procs"
    exec unshare --pid --fork --kill-child --mount --cgroup "$@"
"#;

/// A systemd in a network namespace, for one unit.
pub(crate) struct Systemd<'a> {
    pub(crate) namespace: &'a Namespace,
    process: Process,
    pub(crate) unit: &'static str,
}

/// A command that runs the script in namespaces of its own, with the arguments that follow.
fn boot(script: &str) -> Command {
    let mut command = Command::new("unshare");
    // When this process is killed, so is systemd, and with it all of its own.
    command
        .args(["--mount", "bash", "-c", OWN_CONTROL_GROUPS, "groups"])
        .args(["bash", "-c", script, "boot"]);
    command
}

fn unit_file(unit: &str) -> String {
    format!("{}/deploy/{unit}", env!("CARGO_MANIFEST_DIR"))
}

impl<'a> Systemd<'a> {
    pub(crate) fn start(namespace: &'a Namespace, unit: &'static str, configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        fs::write(&file, configuration).unwrap();
        let script = format!("{UNIT_FILES}{MACHINE}{UNIT_INSTALLED}");
        let mut command = boot(&script);
        command.args([&unit_file(unit), PROGRAM]);
        command
            .arg(&file)
            .arg(unit_file("sysusers.d/lvs-agent.conf"));
        Self {
            namespace,
            process: namespace.spawn_with(command, directory),
            unit,
        }
    }

    /// A machine on which no file of lvs-agent is installed, with these packages in
    /// /mnt; `unit` is the one of them that the test is about.
    pub(crate) fn with_packages(
        namespace: &'a Namespace,
        unit: &'static str,
        packages: &Path,
    ) -> Self {
        let mut command = boot(&format!("{PACKAGES}{MACHINE}{PACKAGES_KNOWN}"));
        command.arg(packages);
        let systemd = Self {
            namespace,
            process: namespace.spawn_with(command, tempfile::tempdir().unwrap()),
            unit,
        };
        until(PATIENCE, "systemd", || {
            match systemd.run(&["systemctl", "is-active", "basic.target"]) {
                state if state == "active" => Ok(()),
                state => Err((state, systemd.process.output())),
            }
        });
        systemd
    }

    /// Runs a command in systemd's machine; what it says, whatever its end.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let pid = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let Ok(children) = children else {
            return format!("systemd has ended:\n{}", self.process.output());
        };
        let mut nsenter = Command::new("nsenter");
        nsenter
            .args(["--target", children.trim(), "--mount", "--pid", "--"])
            .args(command);
        let output = self.namespace.output(nsenter);
        let output_text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&output_text).trim().to_owned()
    }

    pub(crate) fn property(&self, property: &str) -> String {
        self.run(&[
            "systemctl",
            "show",
            "--value",
            "--property",
            property,
            self.unit,
        ])
    }

    /// What the unit's processes have written, and systemd about them.
    pub(crate) fn log(&self) -> String {
        format!("{}\n{}", self.journal(&[]), self.process.output())
    }

    /// The entries of the journal about the unit, as these options show them.
    pub(crate) fn journal(&self, options: &[&str]) -> String {
        let journalctl = ["journalctl", "--quiet", "--no-pager", "--unit", self.unit];
        self.run(&[&journalctl, options].concat())
    }

    pub(crate) fn until_state(&self, wanted: &str) {
        until(
            PATIENCE,
            &format!("state {wanted} of {}", self.unit),
            || {
                let state = self.property("ActiveState");
                (state == wanted)
                    .then_some(())
                    .ok_or_else(|| format!("{state}\n{}", self.log()))
            },
        );
    }

    /// Its process id, as this machine numbers it.
    pub(crate) fn agent(&self) -> String {
        self.property("MainPID")
    }

    /// The sandbox is on, and these capabilities are all that there are.
    pub(crate) fn assert_confined(&self, capabilities: &str) {
        let status = self.run(&["cat", &format!("/proc/{}/status", self.agent())]);
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(str::trim)
        };
        for key in ["CapPrm:", "CapEff:", "CapBnd:"] {
            assert_eq!(value(key), Some(capabilities), "{status}");
        }
        for key in ["CapInh:", "CapAmb:"] {
            assert_eq!(value(key), Some("0000000000000000"), "{status}");
        }
        let user = self.run(&["id", "--user", "lvs-agent"]);
        let users = value("Uid:").map(|uids| uids.split_whitespace().collect::<Vec<_>>());
        assert_eq!(users, Some(vec![user.as_str(); 4]), "{status}");
        assert_eq!(value("NoNewPrivs:"), Some("1"), "{status}");
        assert_eq!(value("Seccomp:"), Some("2"), "{status}");
    }
}
