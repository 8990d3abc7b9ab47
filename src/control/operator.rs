//! Who asks on the control socket.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::{Uid, User};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::runtime::clock;
use crate::runtime::file_work::{self, FileUse};

/// For the name of a user, which may come from a directory service.
const NAME_DEADLINE: Duration = Duration::from_secs(1);

/// The user at the other end of a connection (`SO_PEERCRED` of unix(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// `None` if the kernel does not tell.
    uid: Option<u32>,
    /// `None` if there is no such user, or nobody knows in time.
    name: Option<String>,
}

impl Operator {
    /// The user by number alone.
    pub(super) fn of(stream: &UnixStream) -> Self {
        let uid = stream.peer_cred().ok().map(|peer| peer.uid());
        Self { uid, name: None }
    }

    /// The same with the name.
    pub(super) async fn named(self) -> Self {
        let Some(uid) = self.uid else {
            return self;
        };
        let look_up = move || User::from_uid(Uid::from_raw(uid));
        let asked = PathBuf::from(format!("uid {uid}"));
        let deadline = Instant::from_std(clock::monotonic()) + NAME_DEADLINE;
        let name = match file_work::run(FileUse::Users, &asked, deadline, look_up).await {
            Ok(Ok(Some(user))) => Some(user.name),
            Ok(Ok(None) | Err(_)) | Err(_) => None,
        };
        Self { name, ..self }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.uid) {
            (Some(name), Some(uid)) => write!(f, "{name} (uid {uid})"),
            (None, Some(uid)) => write!(f, "uid {uid}"),
            (_, None) => f.write_str("an unknown user"),
        }
    }
}

#[cfg(test)]
mod tests;
