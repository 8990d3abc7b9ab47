//! From the file to the configuration.

use std::io;
use std::path::Path;

use super::declaration::{CONFIGURATION, INCLUDED};
use super::defaults::defaults;
use super::fields::Fields;
use super::include::{Base, included};
use super::node::{Content, Entry, Node};
use super::problem::{First, Parsed, Problems, quoted};
use super::range::ExpansionBudget;
use super::secret_reader::IfMissing;
use super::service::ServiceDraft;
use super::sockets::{Sockets, sockets};
use super::source::{self, LARGEST, Source};
use super::{Config, ConfigErrors, ConfigWarning, digest};
use super::{foreign, notify, rules, sections, service, syntax, unexpanded, warnings, yaml};

impl Config {
    /// Reads the file, which has at most 16 MiB of UTF-8, and the secrets that
    /// it names, which must be there.
    ///
    /// The error tells every problem that the file has.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let base = Some(Base::File(directory(path)));
        Self::read(main(path)?, base, IfMissing::Problem)
    }

    /// The same for a command beside the agent, which may be without what the
    /// service manager gives the agent: secrets that are not there are warnings.
    pub fn load_beside_agent(path: &Path) -> Result<Self, ConfigErrors> {
        let base = Some(Base::File(directory(path)));
        Self::read(main(path)?, base, IfMissing::Warning)
    }

    /// Reads the file for a check alone: `-` is standard input, and included
    /// files are relative to `base_directory`, if there is one, in place of the
    /// file's own directory (of standard input: the working directory). This may
    /// be another host than the agent's, so secrets that are not there are warnings.
    ///
    /// The errors are those of [`load`](Self::load).
    pub fn load_for_check(
        path: &Path,
        base_directory: Option<&Path>,
    ) -> Result<Self, ConfigErrors> {
        base_directory.map_or(Ok(()), check_base_directory)?;
        let is_standard_input = path == Path::new("-");
        let main = if is_standard_input {
            source_of("-".to_owned(), source::read_standard_input())?
        } else {
            main(path)?
        };
        let base = match base_directory {
            Some(directory) => Base::Named(directory),
            None if is_standard_input => Base::Working,
            None => Base::File(directory(path)),
        };
        Self::read(main, Some(base), IfMissing::Warning)
    }

    /// The control sockets that the file names, whatever else is wrong with it:
    /// the agent that runs can be asked although its file is broken by now.
    /// Of a file that is no YAML, the lines of its `control` section count.
    ///
    /// The error tells every problem that the configuration has.
    pub fn load_sockets(path: &Path) -> Result<Sockets, ConfigErrors> {
        let main = main(path)?;
        if let Some(sockets) = main.text().ok().and_then(sockets) {
            return Ok(sockets);
        }
        let base = Some(Base::File(directory(path)));
        let config = Self::read(main, base, IfMissing::Unread)?;
        Ok(Sockets {
            director: config.director_control().socket.clone(),
            real_server: config.real_server_control().socket.clone(),
        })
    }

    /// Reads the text of a file; `file_name` is for the error alone, which
    /// tells every problem that the text has. Without a place of its own it
    /// can include nothing, and secrets that it does not have itself are not read.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigErrors> {
        let source = Source {
            name: file_name.to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        Self::read(source, None, IfMissing::Unread)
    }

    fn read(
        main: Source,
        base: Option<Base<'_>>,
        if_missing: IfMissing,
    ) -> Result<Self, ConfigErrors> {
        let mut problems = Problems::reading_secrets(if_missing);
        let mut sources = Vec::new();
        let config = read_all(main, base, &mut sources, &mut problems);
        let text = |source: &Source| source.text().unwrap_or_default().to_owned();
        let texts: Vec<_> = sources
            .iter()
            .map(|source| (source.name.clone(), text(source)))
            .collect();
        match config {
            Ok(config) if problems.is_empty() => {
                let (warnings, suggestions) = problems.into_warnings();
                Ok(Self {
                    sha256: digest::sha256(&sources),
                    warnings: ConfigWarning::all(&texts, warnings),
                    suggestions: ConfigWarning::all(&texts, suggestions),
                    ..config
                })
            }
            _ => {
                let (problems, warnings) = problems.into_all();
                let warnings = ConfigWarning::all(&texts, warnings);
                Err(ConfigErrors::new(&texts, problems).beside(warnings))
            }
        }
    }
}

/// Where what the file includes is looked for.
fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Says why the directory of `--base-dir` is none.
fn check_base_directory(directory: &Path) -> Result<(), ConfigErrors> {
    let message = match source::is_directory(directory) {
        Ok(true) => return Ok(()),
        Ok(false) => "this is not a directory".to_owned(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            "there is no such directory".to_owned()
        }
        Err(error) => format!("cannot be read: {error}"),
    };
    let hint = "give --base-dir the directory in which the path of `include` starts";
    Err(ConfigErrors::file(
        &directory.display().to_string(),
        message,
        hint,
    ))
}

/// The file that was named.
fn main(path: &Path) -> Result<Source, ConfigErrors> {
    source_of(path.display().to_string(), source::read_main(path))
}

fn source_of(name: String, read: io::Result<Vec<u8>>) -> Result<Source, ConfigErrors> {
    let bytes = read.map_err(|error| {
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
        } else if kind == io::ErrorKind::InvalidInput {
            (error.to_string(), "give the path of a configuration file")
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
        ConfigErrors::file(&name, message, hint)
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        return Err(ConfigErrors::file(
            &name,
            format!("larger than {} MiB", LARGEST / (1024 * 1024)),
            "give the path of a configuration file",
        ));
    }
    Ok(Source { name, bytes })
}

/// Reads `main` and what it includes; all of them are put into `sources`.
fn read_all(
    main: Source,
    base: Option<Base<'_>>,
    sources: &mut Vec<Source>,
    problems: &mut Problems,
) -> Parsed<Config> {
    problems.add_file(&main.name);
    let mut budget = yaml::MAX_VALUES;
    let (root, taken) = (tree(&main, 0, &mut budget), main.bytes.len());
    sources.push(main);
    let root = root.map_err(|error| match error {
        LoadError::Whole { message, hint } => problems.add_whole(message, hint),
        LoadError::Inside(found) => problems.extend(0, found),
    })?;
    unexpanded::all_unexpanded(&root, problems);
    let fields = Fields::read(&root, &CONFIGURATION, problems)?;
    let mut all_read = Ok(());
    let mut roots = Vec::new();
    if let Some(entry) = fields.optional("include")? {
        match included(entry, base, taken, problems) {
            Ok(included) => {
                for (file, source) in (1..).zip(included) {
                    problems.add_file(&source.name);
                    match included_tree(file, &source, entry, &mut budget, problems) {
                        Ok(root) => {
                            unexpanded::all_unexpanded(&root, problems);
                            roots.push(root);
                        }
                        Err(reported) => all_read = Err(reported),
                    }
                    sources.push(source);
                }
            }
            Err(reported) => all_read = Err(reported),
        }
    }
    validate(&fields, &roots, all_read, problems)
}

fn included_tree(
    file: u16,
    source: &Source,
    include: &Entry,
    budget: &mut usize,
    problems: &mut Problems,
) -> Parsed<Node> {
    match tree(source, file, budget) {
        Ok(root) => Ok(root),
        Err(LoadError::Inside(found)) => Err(problems.extend(file, found)),
        Err(LoadError::Whole { message, hint }) => {
            let message = format!("{}: {message}", quoted(&source.name));
            Err(problems.add(include.value.location, message, hint))
        }
    }
}

/// Why a file is no tree.
enum LoadError {
    /// The text is not such a file at all.
    Whole { message: String, hint: &'static str },
    /// The text is such a file with mistakes.
    Inside(First),
}

/// What a file says.
fn tree(source: &Source, file: u16, budget: &mut usize) -> Result<Node, LoadError> {
    let whole = |message: &str, hint| LoadError::Whole {
        message: message.to_owned(),
        hint,
    };
    let text = source.text().map_err(|line| LoadError::Whole {
        message: format!("not UTF-8 text, from line {line} on"),
        hint: "give the path of a configuration file, and save it as UTF-8",
    })?;
    if text.contains('\0') {
        let hint = "give the path of a configuration file, which is text";
        return Err(whole("a binary file: it has NUL bytes", hint));
    }
    if let Some(problem) = syntax::forbidden_character(text) {
        return Err(LoadError::Inside(problem.into()));
    }
    if let Some(problem) = foreign::other_format(text) {
        return Err(LoadError::Inside(problem.into()));
    }
    let root = yaml::parse(text, file, budget).map_err(LoadError::Inside)?;
    root.filter(|root| *root.content() != Content::Null)
        .ok_or_else(|| {
            let hint = "start with `virtual_services:`, as in the examples";
            whole("the file is empty", hint)
        })
}

/// `included` are the roots of the files that are included; `all_read` says
/// whether some are missing.
fn validate<'n>(
    fields: &Fields<'n>,
    included: &'n [Node],
    all_read: Parsed<()>,
    problems: &mut Problems,
) -> Parsed<Config> {
    let http = fields
        .optional("http")
        .and_then(|entry| sections::http(entry, problems));
    let metrics = fields
        .optional("metrics")
        .and_then(|entry| sections::metrics(entry, problems));
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
    let services = services(fields, included, all_read, problems);
    let interface = director.as_ref().ok();
    let interface = interface.and_then(|director| director.interface.as_deref());
    let marks = director.as_ref().ok().map(|director| director.probe_mark);
    let drafts = services.as_deref().unwrap_or_default();
    rules::check(drafts, interface, &vips, marks, problems);
    // Where real servers' agents listen, and the key that says so.
    let own = real_server
        .as_ref()
        .ok()
        .and_then(|role| role.http.as_ref());
    let of_real_servers = match (own, &http) {
        (Some(own), _) => Some(("real_server.http.listen", own.listen)),
        (None, Ok(http)) => Some(("http.listen", http.listen)),
        (None, Err(_)) => None,
    };
    warnings::check(drafts, of_real_servers, problems);
    let services = services?
        .into_iter()
        .map(|service| service.and_then(service::ServiceDraft::finish));
    Ok(Config {
        http: http?,
        metrics: metrics?,
        control: control?,
        state_dir: state_dir?,
        notify: notify?,
        director: director?,
        real_server: real_server?,
        // A boxed slice has no room to spare.
        virtual_services: services.collect::<Parsed<Box<[_]>>>()?.into_vec(),
        // Known when every source is read.
        sha256: String::new(),
        warnings: Vec::new(),
        suggestions: Vec::new(),
    })
}

/// The services of the file that was named, then those of each file that it includes.
fn services<'n>(
    fields: &Fields<'n>,
    included: &'n [Node],
    all_read: Parsed<()>,
    problems: &mut Problems,
) -> Parsed<Vec<Parsed<ServiceDraft>>> {
    let mut budget = ExpansionBudget::default();
    let defaults = fields.optional("defaults").and_then(|entry| {
        let start = entry.map(|entry| entry.key.location);
        let end = start.and_then(|start| fields.next_key(start));
        defaults(entry, end, problems)
    });
    let defaults = defaults.as_ref().map_err(|reported| *reported);
    let own = fields.optional("virtual_services")?.is_some();
    let mut drafts = Vec::new();
    // With nothing included, the file's own must be there.
    if own || (included.is_empty() && all_read.is_ok()) {
        match service::services(fields, defaults, &mut budget, problems) {
            Ok(services) => drafts.extend(services),
            Err(reported) => drafts.push(Err(reported)),
        }
    }
    for root in included {
        let services = Fields::read(root, &INCLUDED, problems)
            .and_then(|fields| service::services(&fields, defaults, &mut budget, problems));
        match services {
            Ok(services) => drafts.extend(services),
            Err(reported) => drafts.push(Err(reported)),
        }
    }
    drafts.extend(all_read.err().map(Err));
    Ok(drafts)
}
