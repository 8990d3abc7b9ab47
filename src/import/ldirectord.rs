//! ldirectord.cf: global lines, and sections of virtual servers.

mod checks;
mod keys;
mod real_server;
mod virtual_server;

use self::keys::{SHARED, Section, Setting};
use self::virtual_server::{READ, service};
use super::draft::Draft;
use super::note::{Notes, SourceLocation};
use super::render::Timeouts;
use super::{ExpansionBudget, ImportError, SourceText};

/// The services of a file.
pub(super) fn read(
    main: &SourceText,
    notes: &mut Notes,
) -> Result<(Vec<Draft>, Timeouts), ImportError> {
    let file = notes.add_file(main);
    let (global, sections) = sections(&main.text, file, notes)?;
    let mut budget = ExpansionBudget::default();
    let mut drafts = Vec::new();
    keys::note_global(&global, notes);
    for section in &sections {
        notes.set_service(Some(drafts.len()));
        drafts.extend(service(section, &global, &mut budget, notes));
        notes.set_service(None);
    }
    Ok((drafts, Timeouts::new()))
}

/// The lines of the global section, and the sections of virtual servers.
fn sections(
    text: &str,
    file: usize,
    notes: &mut Notes,
) -> Result<(Section, Vec<Section>), ImportError> {
    let mut global = Section::new(SourceLocation { file, line: 1 }, String::new());
    let mut sections: Vec<Section> = Vec::new();
    // A line that is not indented ends a section, also an empty one.
    let mut in_section = false;
    for (index, line) in text.lines().enumerate() {
        let location = SourceLocation {
            file,
            line: index + 1,
        };
        if line.trim_start().starts_with('#') {
            continue;
        }
        let line = line.replace('\t', "    ");
        let indentation = line.len() - line.trim_start().len();
        if line.trim().is_empty() {
            in_section = false;
            continue;
        }
        let setting = Setting::read(&line, location);
        let Some(setting) = setting else {
            // What follows the first word may be a secret.
            let message = format!(
                "the line that begins with `{}` is no line of ldirectord, which are of the form \
                 `KEY = VALUE`",
                line.split_whitespace().next().unwrap_or_default()
            );
            return Err(notes.not_understood(location, message));
        };
        let is_of_server = READ.contains(&setting.key.as_str())
            && !SHARED.contains(&setting.key.as_str())
            && setting.key != "cleanstop";
        let is_virtual = ["virtual", "virtual6"].contains(&setting.key.as_str());
        if indentation >= 4 && in_section {
            if let Some(section) = sections.last_mut() {
                section.settings.push(setting);
            }
        } else if is_virtual && indentation == 0 {
            in_section = true;
            let mut section = Section::new(location, setting.value.clone());
            section.is_ipv6 = setting.key == "virtual6";
            sections.push(section);
        } else if indentation == 0 && !is_of_server {
            in_section = false;
            global.settings.push(setting);
        } else {
            let message = format!(
                "`{}` belongs to no virtual server: the lines of one follow its `virtual` line \
                 at once, with 4 blanks or a tab before each",
                setting.key
            );
            return Err(notes.not_understood(location, message));
        }
    }
    Ok((global, sections))
}

#[cfg(test)]
mod tests;
