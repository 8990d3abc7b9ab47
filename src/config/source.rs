//! Reading files and the environment: the files of a configuration, of secrets, certificates
//! and programs. Beside `include`, which lists a directory, the only place in `config` that
//! touches either.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::runtime::file_work::access;
use crate::runtime::regular_file;

/// Far above any cluster's: 20,000 real servers take about 1.5 MB. Holds for
/// all files of a configuration together.
pub(crate) const LARGEST: u64 = 16 * 1024 * 1024;
/// Far above any key's or header's.
const LARGEST_SECRET: u64 = 64 * 1024;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// As it is shown.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Source {
    /// Its text without a byte order mark, or the line on which it is none.
    pub(super) fn text(&self) -> Result<&str, usize> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(error) => {
                let before = self.bytes.get(..error.valid_up_to()).unwrap_or_default();
                Err(before.split(|byte| *byte == b'\n').count())
            }
        }
    }
}

/// At most one byte more than [`LARGEST`], of a regular file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    access(|| up_to_largest(&regular_file::open(path)?))
}

/// The same of the file that was named, which may also be what whoever started
/// the program handed over: `/dev/stdin`, or a shell's `<(COMMAND)`.
pub(crate) fn read_main(path: &Path) -> io::Result<Vec<u8>> {
    if is_handed_over(path) {
        access(|| up_to_largest(&File::open(path)?))
    } else {
        read(path)
    }
}

/// Whether whoever started the program handed the file over, and writes it now.
pub(crate) fn is_handed_over(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd")
}

/// The same of standard input.
pub(crate) fn read_standard_input() -> io::Result<Vec<u8>> {
    up_to_largest(io::stdin().lock())
}

fn up_to_largest(input: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file that holds a secret.
pub(super) struct SecretFile {
    pub(super) bytes: Vec<u8>,
    /// Whether it is readable for others than its owner and group.
    pub(super) is_public: bool,
}

/// Without what the file has.
impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile")
            .field("is_public", &self.is_public)
            .finish_non_exhaustive()
    }
}

/// The file of a secret, of at most 64 KiB.
pub(super) fn read_secret(path: &Path) -> io::Result<SecretFile> {
    let (is_public, bytes) = access(|| {
        let file = regular_file::open(path)?;
        let is_public = file.metadata()?.permissions().mode() & 0o004 != 0;
        let mut bytes = Vec::new();
        file.take(LARGEST_SECRET + 1).read_to_end(&mut bytes)?;
        io::Result::Ok((is_public, bytes))
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_SECRET) {
        let message = format!("it is larger than {} KiB", LARGEST_SECRET / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(SecretFile { bytes, is_public })
}

/// A file of certificates, of at most 1 MiB.
pub(super) fn read_certificates(path: &Path) -> io::Result<Vec<u8>> {
    const LARGEST_CERTIFICATES: u64 = 1024 * 1024;
    access(|| regular_file::read(path, LARGEST_CERTIFICATES))
}

/// Why nobody could run the program at this path, where that can be seen from here.
pub(super) fn not_a_program(path: &Path) -> Option<&'static str> {
    match access(|| fs::metadata(path)) {
        Ok(found) if !found.is_file() => Some("is not a file"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Some("is not executable"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("is not there"),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Some("is not there"),
        // Another user may be able to see the file.
        Ok(_) | Err(_) => None,
    }
}

/// The value of an environment variable.
pub(super) fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// Whether the path leads to a directory.
pub(super) fn is_directory(path: &Path) -> io::Result<bool> {
    access(|| fs::metadata(path)).map(|found| found.is_dir())
}
