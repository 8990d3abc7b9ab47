//! The control socket's file.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use thiserror::Error;

/// A control socket that cannot be made.
#[derive(Debug, Error)]
pub(crate) enum BindError {
    /// Somebody answers there.
    #[error(
        "another lvs-agent listens on {}: stop it, or give this one another control.socket",
        .0.display()
    )]
    InUse(PathBuf),
    /// There is something there that this agent must not replace.
    #[error(
        "{} exists and is not a socket: move it away, or change control.socket",
        .0.display()
    )]
    NotASocket(PathBuf),
    /// A system call failed.
    #[error("cannot make the control socket {}: {what}", path.display())]
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What failed.
        what: &'static str,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// A control socket that nobody has been answered on yet. When it is dropped,
/// the socket's file goes, if it is still the one made here.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    /// It does not block.
    pub(super) listener: UnixListener,
    pub(super) _file: SocketFile,
}

/// The file of a listening socket, with the numbers that distinguish the file from a later
/// one of the same name.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|file| (file.dev(), file.ino()) == (self.device, self.inode));
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

/// Whether somebody listens there, without waiting for room in the backlog.
fn connect(path: &Path) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

/// Makes the socket, with mode 0600 from the first instant that anyone can
/// reach it: it is bound in a new directory of mode 0700 beside its place,
/// and moved there when its mode is right. (A umask would do that too, but is
/// the whole process's: it would reach files that other threads make.)
///
/// A socket on which nobody listens, such as a killed process leaves, is
/// replaced; one on which somebody does is not. The directory is made, with
/// mode 0755, if it is missing.
pub(crate) fn bind(path: &Path) -> Result<ControlSocket, BindError> {
    let failed = |what| {
        move |cause| BindError::Io {
            path: path.to_owned(),
            what,
            cause,
        }
    };
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)
        .map_err(failed("cannot make its directory"))?;

    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => match connect(path) {
            // A listener whose backlog is full listens as well, and is not waited for.
            Ok(()) | Err(Errno::EAGAIN) => return Err(BindError::InUse(path.to_owned())),
            Err(Errno::ECONNREFUSED) => {}
            Err(error) => return Err(failed("cannot tell whether anyone listens")(error.into())),
        },
        Ok(_) => return Err(BindError::NotASocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("cannot look at what is there")(error)),
    }

    // tempfile makes directories with mode 0700.
    let private = tempfile::Builder::new()
        .prefix(".")
        .tempdir_in(directory)
        .map_err(failed("cannot make a directory beside it"))?;
    let bound = private.path().join("s");
    let listener = UnixListener::bind(&bound).map_err(failed("cannot bind it"))?;
    fs::set_permissions(&bound, Permissions::from_mode(0o600))
        .map_err(failed("cannot set its mode"))?;
    let file = fs::symlink_metadata(&bound).map_err(failed("cannot look at it"))?;
    listener
        .set_nonblocking(true)
        .map_err(failed("cannot make it non-blocking"))?;
    fs::rename(&bound, path).map_err(failed("cannot move it to its place"))?;
    Ok(ControlSocket {
        listener,
        _file: SocketFile {
            path: path.to_owned(),
            device: file.dev(),
            inode: file.ino(),
        },
    })
}
