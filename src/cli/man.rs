//! `lvs-agent man`: the manual pages, from the definitions of the command line
//! and of the configuration.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use super::arguments::{Cli, ManArguments};
use super::{CommandFailure, ExitStatus};
use crate::config;

/// System administration commands, man-pages(7).
const SECTION: &str = "8";

pub(super) fn run(arguments: &ManArguments) -> Result<ExitStatus, CommandFailure> {
    let directory = &arguments.directory;
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
    let page = Man::new(command.clone()).section(SECTION);
    let path = directory.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    write_file(&path, &text)
}

fn write_file(path: &Path, text: &[u8]) -> Result<(), CommandFailure> {
    fs::write(path, text).map_err(|source| CommandFailure::ManualPage {
        path: path.to_owned(),
        source,
    })
}
