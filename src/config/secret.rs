//! Secrets: what the configuration keeps out of sight, and where the file may
//! say that one is found.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::declaration::{CREDENTIAL, SECRET_SOURCE, VARIABLE};
use super::fields::Fields;
use super::node::{Content, Location};
use super::pem;
use super::problem::{Parsed, Problems, quoted, quoted_name, shown};
use super::scalar::{Value, list};
use super::secret_reader::{IfMissing, SecretReader};
use super::source;
use crate::runtime::shell_word;

/// The variable by which systemd tells a unit where its credentials are
/// (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The longest name of a credential, which is the name of a file.
const LONGEST_CREDENTIAL: usize = 255;

/// A text that nothing shows: no log, no status, no error and no `{:?}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(Option<Arc<str>>);

impl Secret {
    /// A secret that this host does not have, in a configuration that is read
    /// for other things.
    const UNKNOWN: Self = Self(None);

    /// The text itself, for whoever sends it. `None` if this host does not
    /// have it, which the configuration of an agent that runs rules out.
    pub fn expose(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Some(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a secret is to be, which text and source are held to alike.
#[derive(Clone, Copy)]
pub(super) struct Form<'f> {
    /// With an article.
    pub(super) wanted: &'f str,
    /// For a text in the configuration.
    pub(super) hint: &'f str,
    pub(super) fits: fn(&str) -> bool,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretSource {
    Variable(String),
    File(PathBuf),
    Credential(String),
}

/// What is found at a source.
enum Found {
    /// What stands there; a file, where it is one.
    Bytes(Vec<u8>, Option<PathBuf>),
    /// What is wrong, and what to do about it.
    Nothing(String, String),
}

impl SecretSource {
    /// For a message, without an article.
    fn name(&self) -> String {
        match self {
            Self::Variable(name) => format!("the environment variable {}", quoted_name(name)),
            Self::File(path) => quoted_name(&path.display().to_string()),
            Self::Credential(name) => format!("the credential {}", quoted_name(name)),
        }
    }

    fn find(&self, reader: &mut SecretReader) -> Found {
        match self {
            Self::Variable(name) => match source::variable(name) {
                Some(value) => Found::Bytes(value.into_vec(), None),
                None => Found::Nothing(
                    format!("{} is not set", self.name()),
                    "set it for the agent, as by `EnvironmentFile=` in a drop-in of its unit, and \
                     restart the agent"
                        .to_owned(),
                ),
            },
            Self::File(path) => find_file(path.clone(), &self.name(), reader),
            Self::Credential(name) => match self.path() {
                Some(path) => find_file(path, &self.name(), reader),
                None => Found::Nothing(
                    format!(
                        "{} cannot be read: `${CREDENTIALS}` is not set",
                        self.name()
                    ),
                    format!(
                        "add `LoadCredential={}:/path/of/the/file` to a drop-in of the agent's \
                         unit, and restart the agent",
                        shown(name)
                    ),
                ),
            },
        }
    }

    /// The file that it is, if it is one.
    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Variable(_) => None,
            Self::File(path) => Some(path.clone()),
            Self::Credential(name) => {
                let directory = source::variable(CREDENTIALS)?;
                Some(Path::new(&directory).join(name))
            }
        }
    }
}

fn find_file(path: PathBuf, name: &str, reader: &mut SecretReader) -> Found {
    match reader.file(&path) {
        Ok(file) => Found::Bytes(file.bytes.clone(), Some(path)),
        Err(error) => {
            let word = shell_word::quoted(&path.display().to_string());
            let word = shown(&word);
            let kind = error.kind();
            let hint = if kind == io::ErrorKind::FileTooLarge {
                format!("name a file that has the secret and nothing else: see `ls -l {word}`")
            } else if kind == io::ErrorKind::IsADirectory {
                format!("name the file with the secret, which may be in it: see `ls -la {word}`")
            } else if kind == io::ErrorKind::InvalidInput {
                // What is no regular file is not read, as whoever has its other end could make
                // the agent wait.
                format!("name a regular file, into which the secret is written: see `ls -l {word}`")
            } else {
                format!(
                    "let the agent's user read the file, or correct its name: see `namei -l {word}`"
                )
            };
            Found::Nothing(format!("{name} cannot be read: {error}"), hint)
        }
    }
}

impl Value<'_> {
    /// A secret: a text, or where one is.
    pub(super) fn secret(self, form: Form<'_>, problems: &mut Problems) -> Parsed<Secret> {
        let Content::Mapping(_) = self.node.content() else {
            let text = self.node.text().filter(|text| (form.fits)(text));
            let text = text.map(Secret::from);
            return text.ok_or_else(|| self.wrong(form.wanted, form.hint, problems));
        };
        let source = self.secret_source(problems)?;
        let Some(bytes) = self.found(&source, problems)? else {
            return Ok(Secret::UNKNOWN);
        };
        let text = std::str::from_utf8(&bytes).ok().map(without_line_break);
        let fitting = text.filter(|text| !text.is_empty() && (form.fits)(text));
        if let Some(text) = fitting {
            return Ok(text.into());
        }
        let message = match text {
            Some("") => format!("{} is empty", source.name()),
            _ => format!("{} does not have {}", source.name(), form.wanted),
        };
        let hint = format!(
            "let it have {} and nothing else; a line break at its end is left out",
            form.wanted
        );
        Err(problems.add(self.node.location, message, hint))
    }

    /// Where a secret is, without a look there.
    pub(super) fn secret_source(self, problems: &mut Problems) -> Parsed<SecretSource> {
        let fields = Fields::read(self.node, &SECRET_SOURCE, problems)?;
        let names: Vec<_> = SECRET_SOURCE.keys().map(|key| key.name).collect();
        let mut given = Vec::new();
        for &name in &names {
            given.extend(fields.written(name)?);
        }
        match given.as_slice() {
            [value] => value.named_source(problems),
            [] => Err(problems.add(
                self.node.location,
                format!("`{}` says no place of a secret", self.name),
                format!("write one of {}, or the text itself", list(&names, "and")),
            )),
            [first, second, ..] => Err(problems.add(
                second.node.location,
                format!(
                    "a secret is in one place, and this one is in `{}` and `{}`",
                    first.name, second.name
                ),
                "keep one of the two",
            )),
        }
    }

    fn named_source(self, problems: &mut Problems) -> Parsed<SecretSource> {
        match self.name {
            "env" => {
                let name = self.text(VARIABLE, is_variable, problems)?;
                Ok(SecretSource::Variable(name.to_owned()))
            }
            "credential" => {
                let name = self.text(CREDENTIAL, is_credential, problems)?;
                Ok(SecretSource::Credential(name.to_owned()))
            }
            _ => self.path(None, problems).map(SecretSource::File),
        }
    }

    /// What is at a source; `None` where this host does not have it and need not.
    fn found(self, source: &SecretSource, problems: &mut Problems) -> Parsed<Option<Vec<u8>>> {
        let location = self.node.location;
        if problems.secrets.if_missing == IfMissing::Unread {
            return Ok(None);
        }
        match source.find(&mut problems.secrets) {
            Found::Bytes(bytes, file) => {
                if let Some(path) = file {
                    self.warn_of_readers(&path, problems);
                }
                Ok(Some(bytes))
            }
            Found::Nothing(message, hint) => {
                if problems.secrets.if_missing == IfMissing::Problem {
                    return Err(problems.add(location, message, hint));
                }
                problems.warn(location, message, hint);
                Ok(None)
            }
        }
    }

    /// The file of a secret that is read when it is needed; `None` if it is in
    /// no file, or nobody knows in which.
    pub(super) fn secret_file(
        self,
        source: &SecretSource,
        problems: &mut Problems,
    ) -> Parsed<Option<PathBuf>> {
        self.found(source, problems)?;
        Ok(source.path())
    }

    /// The same of a private key, which has to be one if it is there. The agent reads such
    /// files when a probe needs them, and a file that is written anew keeps no agent from
    /// starting.
    pub(super) fn key_file(self, path: &Path, problems: &mut Problems) -> Parsed<()> {
        if problems.secrets.if_missing != IfMissing::Warning {
            return Ok(());
        }
        let Ok(file) = problems.secrets.file(path) else {
            return Ok(());
        };
        let (is_key, is_encrypted) = (pem::is_key(&file.bytes), pem::is_encrypted(&file.bytes));
        if is_key {
            return Ok(());
        }
        let path = path.display().to_string();
        let word = shown(&shell_word::quoted(&path));
        let (message, hint) = if is_encrypted {
            (
                format!("the key in {} is encrypted", quoted_name(&path)),
                format!("write the key without a passphrase: `openssl pkey -in {word} -out FILE`"),
            )
        } else {
            (
                format!("{} does not have a private key in PEM", quoted_name(&path)),
                format!(
                    "name the file of the certificate's key: see `openssl pkey -in {word} -noout`"
                ),
            )
        };
        Err(problems.add(self.node.location, message, hint))
    }

    /// Warns of a file that should have certificates and has none, if it is there. The agent
    /// reads such files when a probe needs them.
    pub(super) fn warn_of_no_certificate(self, path: &Path, problems: &mut Problems) {
        if problems.secrets.if_missing != IfMissing::Warning {
            return;
        }
        if source::read_certificates(path).is_ok_and(|bytes| !pem::has_certificates(&bytes)) {
            let path = path.display().to_string();
            let word = shown(&shell_word::quoted(&path));
            problems.warn(
                self.node.location,
                format!("{} does not have certificates in PEM", quoted_name(&path)),
                format!(
                    "name a file of certificates: see `openssl x509 -in {word} -noout -subject`"
                ),
            );
        }
    }

    /// Warns of a file with a secret that every user may read, if it is there.
    pub(super) fn warn_of_readers(self, path: &Path, problems: &mut Problems) {
        if problems.secrets.if_missing == IfMissing::Unread {
            return;
        }
        if let Ok(file) = problems.secrets.file(path)
            && file.is_public
        {
            let path = path.display().to_string();
            let message = format!("every user of this host may read {}", quoted_name(&path));
            let hint = format!("chmod o= {}", shown(&shell_word::quoted(&path)));
            problems.warn(self.node.location, message, hint);
        }
    }
}

impl Problems {
    /// Warns of a program that this host does not have or cannot run. The agent itself does
    /// not look: a file system that hangs must not keep the agent from starting.
    pub(super) fn warn_of_program(&mut self, location: Location, program: &str) {
        if self.secrets.if_missing != IfMissing::Warning {
            return;
        }
        if let Some(why) = source::not_a_program(Path::new(program)) {
            let word = shown(&shell_word::quoted(program));
            self.warn(
                location,
                format!("the program {} {why} on this host", quoted(program)),
                format!(
                    "install the program where the agent runs, or correct its path: see \
                     `ls -lL {word}`"
                ),
            );
        }
    }
}

/// Without the line break that an editor or `echo` puts at the end.
fn without_line_break(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else {
        return text;
    };
    line.strip_suffix('\r').unwrap_or(line)
}

fn is_variable(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.bytes().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// As systemd takes it: the name of a file, in ASCII without `:`.
fn is_credential(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"/:".contains(&b);
    (1..=LONGEST_CREDENTIAL).contains(&name.len())
        && name.bytes().all(plain)
        && !matches!(name, "." | "..")
}

#[cfg(test)]
mod tests;
