//! The filter of the log: directives of `tracing_subscriber`, each with a level and a target that
//! exist. A misspelt directive would switch the whole log off without a word.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::model::resembling;
use crate::runtime::printable::printable;

/// What libraries may log unless the filter names them: below that, they log the hosts of URLs
/// and names of TLS, which may be secrets.
const LIBRARIES: &str = "h2=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,tower=warn";

/// The levels, from the fewest lines to the most.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The crates of the program that log.
pub(super) const CRATES: [&str; 11] = [
    OWN_CRATE,
    "h2",
    "hickory_proto",
    "hyper",
    "hyper_util",
    "mio",
    "neli",
    "reqwest",
    "rustls",
    "rustls_platform_verifier",
    "tower",
];

const OWN_CRATE: &str = "lvs_agent";

/// A longer word resembles none of these.
const LONGEST_COMPARED: usize = 60;

/// The folders of `src/`, whose names stand after `lvs_agent::` in a target.
pub(super) const FOLDERS: [&str; 21] = [
    "agent",
    "cli",
    "config",
    "control",
    "diagnosis",
    "doctor",
    "health",
    "http",
    "import",
    "kernel",
    "link",
    "metrics",
    "model",
    "net",
    "notify",
    "plan",
    "probe",
    "readiness",
    "reconcile",
    "runtime",
    "status",
];

/// The filter of this text, which has at least one directive, or what is wrong with the text.
pub(super) fn parse(text: &str) -> Result<EnvFilter, String> {
    if let Some(problem) = directives(text).find_map(problem) {
        return Err(problem);
    }
    let directives = directives(text).collect::<Vec<_>>().join(",");
    // The last directive for a target holds.
    let filter = EnvFilter::builder().parse(format!("{LIBRARIES},{directives}"));
    filter.map_err(|error| error.to_string())
}

/// Whether the text asks for nothing, as an unset variable does.
pub(super) fn is_blank(text: &str) -> bool {
    directives(text).next().is_none()
}

fn directives(text: &str) -> impl Iterator<Item = &str> {
    let directives = text.split(',').map(str::trim);
    directives.filter(|directive| !directive.is_empty())
}

/// What is wrong with a directive: `LEVEL`, `TARGET`, `TARGET=LEVEL`, or one of these with
/// `[SPAN{FIELDS}]` after the target.
fn problem(directive: &str) -> Option<String> {
    let (target, level) = match directive.find('[') {
        Some(start) => {
            let (target, span) = directive.split_at(start);
            (target, span.rsplit_once("]=").map(|(_, level)| level))
        }
        None => match directive.split_once('=') {
            Some((target, level)) => (target, Some(level)),
            None if is_level(directive) => return None,
            None => {
                let words = LEVELS.into_iter().chain(CRATES);
                return (!is_target(directive)).then(|| {
                    format!(
                        "`{}` is neither a level ({}) nor a part of the program{}",
                        printable(directive),
                        LEVELS.join(", "),
                        meant(directive, words)
                    )
                });
            }
        },
    };
    if let Some(level) = level.filter(|level| !is_level(level)) {
        return Some(format!(
            "`{}` in `{}` is not a level ({}){}",
            printable(level),
            printable(directive),
            LEVELS.join(", "),
            meant(level, LEVELS.into_iter())
        ));
    }
    if target.is_empty() && directive.starts_with('[') || is_target(target) {
        return None;
    }
    Some(format!(
        "`{}` in `{}` is not a part of the program, such as `{OWN_CRATE}` or \
         `{OWN_CRATE}::health`{}",
        printable(target),
        printable(directive),
        meant(target, CRATES.into_iter())
    ))
}

fn is_level(word: &str) -> bool {
    !word.is_empty() && word.parse::<LevelFilter>().is_ok()
}

/// Whether lines of the log have a target that begins so. Only the crate and the folder are
/// compared: the modules below are named nowhere.
fn is_target(target: &str) -> bool {
    let mut names = target.split("::");
    match (names.next(), names.next()) {
        (Some(OWN_CRATE), Some(folder)) => FOLDERS.contains(&folder),
        (Some(name), _) => CRATES.contains(&name),
        (None, _) => false,
    }
}

/// A question for the word that was probably meant.
fn meant(word: &str, words: impl Iterator<Item = &'static str>) -> String {
    // The comparison costs the product of the lengths.
    if word.len() > LONGEST_COMPARED {
        return String::new();
    }
    let parts = word.strip_prefix(OWN_CRATE);
    let folder = parts.and_then(|parts| parts.strip_prefix("::"));
    let folder = folder.and_then(|folder| folder.split("::").next());
    let (prefix, meant) = if let Some(folder) = folder {
        ("lvs_agent::", resembling(folder, FOLDERS))
    } else {
        let plain = word.to_lowercase().replace('-', "_");
        ("", resembling(&plain, words))
    };
    meant.map_or_else(String::new, |meant| {
        format!(": did you mean `{prefix}{meant}`?")
    })
}

#[cfg(test)]
mod tests;
