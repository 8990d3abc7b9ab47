//! Kernel parameters: the files below `/proc/sys`, or embedded.
//!
//! The files are read and written without the runtime's help: no disk is behind them.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::error::SysctlFault;
use super::memory::MemorySysctls;
use super::{Cause, KernelError};
use crate::model::SysctlKey;

/// The kernel parameters that the agent looks after.
#[derive(Debug, Clone)]
pub(crate) struct Sysctls {
    store: Store,
}

#[derive(Debug, Clone)]
enum Store {
    /// Files below this directory: of `/proc/sys`, those of the network
    /// namespace of the calling thread.
    Files(PathBuf),
    Memory(MemorySysctls),
}

impl Default for Sysctls {
    fn default() -> Self {
        Self::below("/proc/sys")
    }
}

impl Sysctls {
    /// The parameters as files below another directory than `/proc/sys`.
    pub(crate) fn below(root: impl Into<PathBuf>) -> Self {
        let store = Store::Files(root.into());
        Self { store }
    }

    /// The parameters beside the embedded table. A clone has the same ones.
    pub(super) fn in_memory() -> Self {
        let store = Store::Memory(MemorySysctls::default());
        Self { store }
    }

    /// The value, with single spaces between its fields and none around them;
    /// `None` if the kernel has no such parameter.
    pub(crate) fn read(&self, key: &SysctlKey) -> Result<Option<String>, KernelError> {
        let root = match &self.store {
            Store::Files(root) => root,
            Store::Memory(sysctls) => return Ok(Some(sysctls.read(key))),
        };
        match fs::read_to_string(path(root, key)) {
            Ok(value) => Ok(Some(normalized(&value))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KernelError::new(format!("read {key}"), cause(key, &error))),
        }
    }

    /// Sets the value, and reads it back, because the kernel may accept a value and
    /// keep another one.
    pub(crate) fn write(&self, key: &SysctlKey, value: &str) -> Result<(), KernelError> {
        let root = match &self.store {
            Store::Files(root) => root,
            Store::Memory(sysctls) => {
                sysctls.write(key, normalized(value));
                return Ok(());
            }
        };
        let failed = |cause| KernelError::new(format!("set {key} to {value}"), cause);
        overwrite(&path(root, key), value).map_err(|error| failed(cause(key, &error)))?;
        match self.read(key)? {
            Some(kept) if kept != normalized(value) => {
                Err(failed(Cause::Parameter(SysctlFault::Kept(kept))))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Never creates a file, and writes the value in one call: the kernel takes
/// every write(2) as a whole value.
fn overwrite(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)?
        .write_all(format!("{value}\n").as_bytes())
}

fn path(root: &Path, key: &SysctlKey) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(key.path_components());
    path
}

fn normalized(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cause(key: &SysctlKey, error: &io::Error) -> Cause {
    let fault = match Errno::from_io_error(error) {
        Some(Errno::ROFS) => {
            SysctlFault::ReadOnly(key.path_components().next().unwrap_or_default())
        }
        Some(Errno::PERM | Errno::ACCESS) => SysctlFault::NotPermitted,
        Some(Errno::NOENT) => missing(key),
        Some(Errno::INVAL | Errno::RANGE) => SysctlFault::Invalid,
        Some(_) | None => return Cause::File(error.to_string()),
    };
    Cause::Parameter(fault)
}

/// `net.ipv4.conf.INTERFACE.…` and `net.ipv6.neigh.INTERFACE.…` exist as long as
/// the interface does.
fn missing(key: &SysctlKey) -> SysctlFault {
    let components: Vec<_> = key.path_components().collect();
    match components.as_slice() {
        [net, _, kind, interface, _]
            if net == "net"
                && (kind == "conf" || kind == "neigh")
                && interface != "all"
                && interface != "default" =>
        {
            SysctlFault::NoInterface(interface.clone())
        }
        _ => SysctlFault::Missing,
    }
}

#[cfg(test)]
mod tests;
