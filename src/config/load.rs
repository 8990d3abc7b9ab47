//! From the file to the configuration.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::fields::Fields;
use super::node::Content;
use super::problem::{Problem, Problems, Read};
use super::{Config, ConfigErrors, notify, raw, rules, sections, service, syntax};

/// Far above any cluster's: 20,000 real servers take about 1.5 MB.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

const KEYS: [&str; 7] = [
    "http",
    "control",
    "state_dir",
    "notify",
    "director",
    "real_server",
    "virtual_services",
];

impl Config {
    /// Reads the file, which has at most 16 MiB of UTF-8.
    ///
    /// The error tells every problem that the file has.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        Self::parse(&name, &text(path, &name)?)
    }

    /// The control socket that the file names, whatever else is wrong with it:
    /// the agent that runs can be asked although its file is broken by now.
    ///
    /// The error tells every problem that the file has.
    pub fn load_socket(path: &Path) -> Result<PathBuf, ConfigErrors> {
        let name = path.display().to_string();
        let text = text(path, &name)?;
        let mut problems = Problems::default();
        let root = raw::read(text.strip_prefix('\u{feff}').unwrap_or(&text))
            .ok()
            .flatten();
        let control = root.and_then(|root| {
            let fields = Fields::read(&root, "the configuration", &KEYS, &mut problems).ok()?;
            let entry = fields.optional("control").ok()?;
            sections::control(entry, &mut problems).ok()
        });
        match control {
            Some(control) => Ok(control.socket),
            None => Self::parse(&name, &text).map(|config| config.control.socket),
        }
    }

    /// Reads the text of a file; `file_name` is for the error alone, which
    /// tells every problem that the text has.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.contains('\0') {
            return Err(ConfigErrors::file(
                file_name,
                "a binary file: it has NUL bytes",
                "give the path of a configuration file, which is text",
            ));
        }
        let failed = |problems: Vec<Problem>| ConfigErrors::new(file_name, text, problems);
        if let Some(problem) = syntax::forbidden_character(text) {
            return Err(failed(vec![problem]));
        }
        let root = raw::read(text).map_err(failed)?;
        let Some(root) = root.filter(|root| root.content != Content::Null) else {
            return Err(ConfigErrors::file(
                file_name,
                "the file is empty",
                "start with `virtual_services:`, as in the examples",
            ));
        };
        let mut problems = Problems::default();
        let config = Fields::read(&root, "the configuration", &KEYS, &mut problems)
            .and_then(|fields| validate(&fields, &mut problems));
        match config {
            Ok(config) if problems.is_empty() => Ok(config),
            _ => Err(failed(problems.into_vec())),
        }
    }
}

/// The text of the file, for an error that names it as `name`.
fn text(path: &Path, name: &str) -> Result<String, ConfigErrors> {
    let bytes = read(path).map_err(|error| {
        let kind = error.kind();
        let (message, hint) = if kind == io::ErrorKind::NotFound {
            (
                "there is no such file".to_owned(),
                "give the right path with --config or $LVS_AGENT_CONFIG",
            )
        } else if kind == io::ErrorKind::IsADirectory {
            (
                "this is a directory, not a file".to_owned(),
                "give the path of the file in it",
            )
        } else if kind == io::ErrorKind::PermissionDenied {
            (
                format!("cannot be read: {error}"),
                "let the agent's user read it, or run as root",
            )
        } else {
            (
                format!("cannot be read: {error}"),
                "see that the path is right and its file system is mounted and sound",
            )
        };
        ConfigErrors::file(name, message, hint)
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(ConfigErrors::file(
            name,
            format!("larger than {} MiB", LARGEST_FILE / (1024 * 1024)),
            "give the path of a configuration file",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = before
            .unwrap_or_default()
            .split(|byte| *byte == b'\n')
            .count();
        ConfigErrors::file(
            name,
            format!("not UTF-8 text, from line {line} on"),
            "give the path of a configuration file, and save it as UTF-8",
        )
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn validate(fields: &Fields<'_>, problems: &mut Problems) -> Read<Config> {
    let http = fields
        .optional("http")
        .and_then(|entry| sections::http(entry, problems));
    let control = fields
        .optional("control")
        .and_then(|entry| sections::control(entry, problems));
    let state_dir = sections::state_dir(fields, problems);
    let notify = fields
        .optional("notify")
        .and_then(|entry| notify::notify(entry, problems));
    let director = fields
        .optional("director")
        .and_then(|entry| sections::director(entry, problems));
    let (real_server, vips) = match fields.optional("real_server") {
        Ok(entry) => sections::real_server(entry, problems),
        Err(reported) => (Err(reported), Vec::new()),
    };
    let services = service::services(fields, problems);
    rules::check(services.as_deref().unwrap_or_default(), &vips, problems);
    let services = services?
        .into_iter()
        .map(|service| service.and_then(service::ServiceDraft::finish));
    Ok(Config {
        http: http?,
        control: control?,
        state_dir: state_dir?,
        notify: notify?,
        director: director?,
        real_server: real_server?,
        virtual_services: services.collect::<Read<_>>()?,
    })
}
