//! Kernel parameters, as the files below `/proc/sys`.
//!
//! They are read and written without the runtime's help: no disk is behind them.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use super::{Cause, KernelError};
use crate::model::SysctlKey;

/// The kernel parameters of the network namespace of the calling thread.
#[derive(Debug, Clone)]
pub(crate) struct Sysctls {
    root: PathBuf,
}

impl Default for Sysctls {
    fn default() -> Self {
        Self::below("/proc/sys")
    }
}

impl Sysctls {
    /// The parameters as files below another directory than `/proc/sys`.
    pub(crate) fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The value, with single spaces between its fields and none around them;
    /// `None` if the kernel has no such parameter.
    pub(crate) fn read(&self, key: &SysctlKey) -> Result<Option<String>, KernelError> {
        match fs::read_to_string(self.path(key)) {
            Ok(value) => Ok(Some(normalized(&value))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KernelError::new(format!("read {key}"), cause(&error))),
        }
    }

    /// Sets the value. The kernel may take a value and keep another: read it
    /// back to know.
    pub(crate) fn write(&self, key: &SysctlKey, value: &str) -> Result<(), KernelError> {
        self.overwrite(key, value)
            .map_err(|error| KernelError::new(format!("set {key} to {value}"), cause(&error)))
    }

    fn overwrite(&self, key: &SysctlKey, value: &str) -> io::Result<()> {
        // Never creates a file, and hands the value over in one call: the
        // kernel takes every write(2) as a whole value.
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(self.path(key))?
            .write_all(format!("{value}\n").as_bytes())
    }

    fn path(&self, key: &SysctlKey) -> PathBuf {
        let mut path = self.root.clone();
        path.extend(key.path_components());
        path
    }
}

fn normalized(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cause(error: &io::Error) -> Cause {
    if error.kind() == ErrorKind::NotFound {
        Cause::Missing
    } else if error.kind() == ErrorKind::PermissionDenied {
        Cause::NotPermitted
    } else {
        Cause::File(error.to_string())
    }
}

#[cfg(test)]
mod tests;
