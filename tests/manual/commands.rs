//! Command lines, subcommands, flags and exit codes.

use std::collections::BTreeSet;

use clap::{CommandFactory as _, Parser as _};
use lvs_agent::cli::Cli;

use super::assert_none;
use super::page::{Kind, Piece, page, pages, spans};

pub(crate) fn subcommands() -> BTreeSet<String> {
    let command = Cli::command();
    let subcommands = command.get_subcommands();
    subcommands.map(|one| one.get_name().to_owned()).collect()
}

/// The long flags of a subcommand, or of all.
pub(crate) fn flags(of: Option<&str>) -> BTreeSet<String> {
    let command = Cli::command();
    let subcommands = command.get_subcommands();
    subcommands
        .filter(|one| of.is_none_or(|of| one.get_name() == of))
        .flat_map(|one| one.get_arguments().filter_map(|a| a.get_long()))
        .map(|long| format!("--{long}"))
        .collect()
}

/// The command line with each choice `a|b` made in every way, and without the
/// brackets of what may be left out.
fn variants(line: &str) -> Vec<String> {
    let mut variants = vec![String::new()];
    for word in line.replace(['[', ']'], "").split_whitespace() {
        let mut longer = Vec::new();
        for variant in &variants {
            for choice in word.split('|') {
                longer.push(format!("{variant} {choice}"));
            }
        }
        variants = longer;
    }
    variants
}

/// Why the program refuses the command line, which begins with a subcommand.
pub(crate) fn refused(line: &str) -> Option<String> {
    variants(line).into_iter().find_map(|variant| {
        let words = variant.split_whitespace();
        let error = Cli::try_parse_from(std::iter::once("lvs-agent").chain(words)).err()?;
        let help = matches!(
            error.kind(),
            clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
        );
        (!help).then(|| {
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
    })
}

/// A line of a code block without its prompt and its comment.
fn command_of(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let line = line.strip_prefix("lvs-agent ")?;
    Some(line.split_once(" #").map_or(line, |(line, _)| line))
}

#[test]
fn command_lines_are_accepted() {
    let subcommands = subcommands();
    let mut wrong = Vec::new();
    let mut parsed = 0;
    for page in pages() {
        let mut lines = Vec::new();
        for block in page.blocks(Kind::Code) {
            for (number, text) in (block.line..).zip(block.text.lines()) {
                let text = command_of(text).map(str::to_owned);
                lines.extend(text.map(|text| Piece { line: number, text }));
            }
        }
        for span in page.spans() {
            let text = span.text.strip_prefix("lvs-agent ").unwrap_or(&span.text);
            let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
            let whole = text.len() < span.text.len() || !rest.is_empty();
            if whole && subcommands.contains(first) || text.len() < span.text.len() {
                let text = text.to_owned();
                lines.push(Piece { text, ..span });
            }
        }
        for line in lines {
            parsed += 1;
            // A subcommand may be named without its argument.
            let bare = !line.text.contains(' ') && subcommands.contains(&line.text);
            if let Some(error) = refused(&line.text).filter(|_| !bare) {
                let at = page.at(line.line);
                wrong.push(format!(
                    "{at}: `lvs-agent {}` is refused: {error}",
                    line.text
                ));
            }
        }
    }
    assert!(parsed >= 30, "only {parsed} command lines were parsed");
    assert_none(&wrong);
}

#[test]
fn table_of_commands_has_every_subcommand_and_flag() {
    let page = page("deploy/manual/operations.md");
    let tables = page.tables();
    let table = tables
        .iter()
        .find(|table| table.head[0] == "command")
        .unwrap();
    let lines = page.lines.iter().map(|line| &*line.text);
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for (line, cells) in &table.rows {
        let cell = Piece {
            line: *line,
            text: cells[0].clone(),
        };
        let command = &spans(&cell)[0].text;
        let name = command.split(' ').next().unwrap();
        listed.insert(name.to_owned());
        for flag in flags(Some(name)) {
            // The text below the table has the flags that many commands take.
            let common = ["--config", "--socket", "--real-server"].contains(&&*flag);
            let is_reported = common && text.contains(&format!("`{flag}"));
            if !command.contains(&flag) && !is_reported {
                let at = page.at(*line);
                wrong.push(format!("{at}: `{name}` has the flag `{flag}` as well"));
            }
        }
    }
    for missing in subcommands().difference(&listed) {
        let at = page.at(table.line);
        wrong.push(format!("{at}: the table lacks the command `{missing}`"));
    }
    assert_none(&wrong);
}

/// The exit codes that `--help` lists.
fn exit_codes() -> BTreeSet<String> {
    let help = Cli::command().render_long_help().to_string();
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let numbers = codes
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    numbers.map(str::to_owned).collect()
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let codes = exit_codes();
    let mut wrong = Vec::new();
    let mut tables = 0;
    for page in pages() {
        for table in page.tables() {
            if table.head[0] != "exit code" {
                continue;
            }
            tables += 1;
            let listed: BTreeSet<_> = table.rows.iter().map(|(_, row)| row[0].clone()).collect();
            if listed != codes {
                let at = page.at(table.line);
                wrong.push(format!("{at}: the exit codes of `--help` are {codes:?}"));
            }
        }
        for paragraph in page.paragraphs() {
            let text = paragraph.text.replace('\n', " ");
            for before in ["exits with ", "exit code ", "exit status "] {
                for (at, _) in text.match_indices(before) {
                    let rest = &text[at + before.len()..];
                    let code: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    if !code.is_empty() && !codes.contains(&code) {
                        let at = page.at(paragraph.line);
                        wrong.push(format!("{at}: `--help` has no exit code {code}"));
                    }
                }
            }
        }
    }
    assert_eq!(tables, 1, "one page has the table of exit codes");
    assert_none(&wrong);
}
