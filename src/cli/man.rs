//! `lvs-agent man`: the manual pages, from the definitions of the command line
//! and of the configuration.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::arguments::{CONFIG_VARIABLE, Cli, ManArguments};
use super::{CommandFailure, ExitStatus};
use crate::config::{self, Config, Control};
use crate::runtime::{logging, shell_word};

/// System administration commands, man-pages(7).
const SECTION: &str = "8";

pub(super) fn run(arguments: &ManArguments) -> Result<ExitStatus, CommandFailure> {
    let directory = &arguments.directory;
    if !directory.is_dir() {
        let shown = directory.display();
        return Err(CommandFailure::Operation(format!(
            "`{shown}` is no directory: make it (`mkdir -p {}`), or name the one for the pages",
            shell_word::quoted(&shown.to_string())
        )));
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    write_page(&command, directory)?;
    for subcommand in command.get_subcommands() {
        write_page(subcommand, directory)?;
    }
    let path = directory.join("lvs-agent.yaml.5");
    write_file(&path, config::manual_page().as_bytes())?;
    Ok(ExitStatus::Success)
}

fn write_page(command: &Command, directory: &Path) -> Result<(), CommandFailure> {
    // EXIT STATUS and the footer have what these two would be sections for.
    let without = command
        .clone()
        .after_help(None::<&str>)
        .version(None::<&str>);
    let page = Man::new(without)
        .section(SECTION)
        .source(concat!("lvs-agent ", env!("CARGO_PKG_VERSION")));
    let path = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut sections = Roff::new();
    exit_status(command, &mut sections);
    environment(command, &mut sections);
    files(command, &mut sections);
    see_also(command, &mut sections);
    sections.to_writer(&mut text)?;
    write_file(&path, &text)
}

/// What a command reads of this host, each with all before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Nothing,
    Configuration,
    ControlSocket,
    State,
}

impl Reach {
    fn of(command: &Command) -> Self {
        match command.get_name() {
            "schema" | "completions" | "man" | "import" => Self::Nothing,
            "check-config" => Self::Configuration,
            "status" | "reload" | "drain" | "undrain" | "weight" => Self::ControlSocket,
            _ => Self::State,
        }
    }
}

fn exit_status(command: &Command, page: &mut Roff) {
    let (success, findings) = match command.get_name() {
        "run" => ("The agent ended on SIGTERM or SIGINT.", None),
        "plan" => ("There is nothing to change.", Some("There are changes.")),
        "doctor" => (
            "There is no problem. There may be warnings.",
            Some("There is a problem."),
        ),
        "status" => (
            "The command is done. With --exit-code, no real server is down, and no condition is \
             a problem.",
            Some("With --exit-code, a real server is down, or a condition is a problem."),
        ),
        "lvs-agent" => (
            "The command is done. For plan, there is nothing to change.",
            Some(
                "plan found changes, doctor a problem, or status --exit-code a real server that \
                 is down or a condition of severity problem.",
            ),
        ),
        _ => ("The command is done.", None),
    };
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", Some(success)),
        (
            "1",
            Some("The command failed. Standard error has the reason."),
        ),
        ("2", Some("Bad usage or bad configuration.")),
        ("3", findings),
    ] {
        if let Some(meaning) = meaning {
            page.control("TP", []);
            page.text([bold(code)]).text([roman(meaning)]);
        }
    }
}

fn environment(command: &Command, page: &mut Roff) {
    if Reach::of(command) == Reach::Nothing {
        return;
    }
    page.control("SH", ["ENVIRONMENT"]).control("TP", []);
    page.text([bold(CONFIG_VARIABLE)]).text([roman(
        "The configuration file where --config names none. An empty value counts as unset.",
    )]);
    if ["lvs-agent", "run"].contains(&command.get_name()) {
        page.control("TP", []);
        page.text([bold(logging::VARIABLE)]).text([roman(
            "What run logs: a level such as debug, or a filter such as warn,lvs_agent=debug. \
             An empty value counts as unset, which means info.",
        )]);
    }
}

/// The files, by their default paths.
const FILES: [(Reach, &str, &str); 9] = [
    (
        Reach::Configuration,
        Config::DEFAULT_PATH,
        "The configuration, lvs-agent.yaml(5).",
    ),
    (
        Reach::ControlSocket,
        Control::DEFAULT_SOCKET,
        "The socket on which the running agent takes commands. The key control.socket names \
         another.",
    ),
    (
        Reach::State,
        "/run/lvs-agent/director-NAMESPACE.lock /run/lvs-agent/real_server-NAMESPACE.lock",
        "The locks that let one agent of each role run in a network namespace, whose inode \
         number is NAMESPACE.",
    ),
    (
        Reach::State,
        "/var/lib/lvs-agent",
        "The directory of the files that survive a restart. The key state_dir names another.",
    ),
    (
        Reach::State,
        "/var/lib/lvs-agent/director.json /var/lib/lvs-agent/real_server.json",
        "What the agent of that role owns in the kernel, the earlier values, and removals in \
         progress.",
    ),
    (
        Reach::State,
        "/var/lib/lvs-agent/drains.json",
        "The drained real servers, and the weights that operators have set.",
    ),
    (
        Reach::State,
        "/var/lib/lvs-agent/director-memory.json /var/lib/lvs-agent/drains-memory.json",
        "The same for run --table memory.",
    ),
    (
        Reach::State,
        "/var/lib/lvs-agent/director.lock /var/lib/lvs-agent/real_server.lock",
        "The locks that let one agent of each role write in the directory.",
    ),
    (
        Reach::State,
        "/var/lib/lvs-agent/*.damaged*",
        "Damaged files that the agent has set aside.",
    ),
];

fn files(command: &Command, page: &mut Roff) {
    let reach = Reach::of(command);
    if reach == Reach::Nothing {
        return;
    }
    page.control("SH", ["FILES"]);
    for (_, paths, content) in FILES.iter().filter(|(needs, ..)| *needs <= reach) {
        let mut tag = "TP";
        for path in paths.split(' ') {
            page.control(tag, []).text([italic(path)]);
            tag = "TQ";
        }
        page.text([roman(*content)]);
    }
}

fn see_also(command: &Command, page: &mut Roff) {
    let pages = match command.get_name() {
        "lvs-agent" => "lvs-agent.yaml(5), ip(8), ipvsadm(8), keepalived(8)",
        "run" => {
            "lvs-agent.yaml(5), ipvsadm(8), keepalived(8), lvs-agent(8), lvs-agent-plan(8), \
             lvs-agent-status(8)"
        }
        "check-config" => "lvs-agent.yaml(5), lvs-agent(8), lvs-agent-plan(8)",
        "import" => {
            "lvs-agent.yaml(5), ipvsadm(8), keepalived.conf(5), ldirectord(8), lvs-agent(8), \
             lvs-agent-check-config(8)"
        }
        "schema" | "reload" => "lvs-agent.yaml(5), lvs-agent(8), lvs-agent-check-config(8)",
        "plan" => "lvs-agent.yaml(5), ipvsadm(8), lvs-agent(8), lvs-agent-run(8)",
        "drain" => "lvs-agent(8), lvs-agent-status(8), lvs-agent-undrain(8)",
        "undrain" | "weight" => "lvs-agent(8), lvs-agent-drain(8), lvs-agent-status(8)",
        "status" => "ipvsadm(8), lvs-agent(8), lvs-agent-doctor(8)",
        "cleanup" => "ip(8), ipvsadm(8), lvs-agent(8), lvs-agent-run(8)",
        "doctor" => "ip(8), ipvsadm(8), lvs-agent(8), lvs-agent-status(8)",
        _ => "lvs-agent(8)",
    };
    page.control("SH", ["SEE ALSO"]).text([roman(pages)]);
}

fn write_file(path: &Path, text: &[u8]) -> Result<(), CommandFailure> {
    fs::write(path, text).map_err(|source| CommandFailure::ManualPage {
        path: path.to_owned(),
        source,
    })
}
