//! Damaged files that have another name, so that the agent writes none of them again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// So many damaged files are kept beside one file.
pub(super) const MOST_ASIDE: u32 = 100;

/// Gives the file the first free of the names `FILE.damaged`, `FILE.damaged.1`,
/// `FILE.damaged.2`, …, and returns the name.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 0..MOST_ASIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(".damaged");
        if number > 0 {
            name.push(format!(".{number}"));
        }
        let aside = PathBuf::from(name);
        match rename_to_free(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            renamed => return renamed.map(|()| aside),
        }
    }
    let name = path.display();
    let message = format!("{MOST_ASIDE} files `{name}.damaged…` are there: remove some");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
}

/// The file beside `path` that was set aside last. A directory that cannot be listed has none.
pub(super) fn last_set_aside(path: &Path) -> Option<PathBuf> {
    let prefix = format!("{}.damaged", path.file_name()?.to_str()?);
    let entries = fs::read_dir(path.parent()?).ok()?.flatten();
    let aside = entries.filter(|entry| {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(&*prefix));
        rest.is_some_and(|rest| {
            let number = rest.strip_prefix('.');
            rest.is_empty() || number.is_some_and(|number| number.parse::<u32>().is_ok())
        })
    });
    // The change of the name is the last change of the inode.
    let last = aside.max_by_key(|entry| {
        let metadata = entry.metadata().ok();
        metadata.map(|metadata| (metadata.ctime(), metadata.ctime_nsec()))
    })?;
    Some(last.path())
}

/// Renames a file to a name that nothing has yet.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag (renameat2(2)).
        Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
            Err(error) => Err(error),
        },
        renamed => Ok(renamed?),
    }
}
