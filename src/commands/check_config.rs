//! `check-config`: whether the configuration is valid, and if not, why.

use std::io::{self, Write};
use std::path::Path;

use thiserror::Error;

use crate::config::{Config, ConfigErrors};

/// Why `check-config` did not say that the file is valid.
#[derive(Debug, Error)]
pub(crate) enum CheckConfigError {
    /// The file has problems: exit code 2.
    #[error(transparent)]
    Invalid(#[from] ConfigErrors),
    /// The result could not be written.
    #[error("cannot write the result")]
    Output(#[source] io::Error),
}

/// Writes one line to `out` if the file is valid.
pub(crate) fn run(path: &Path, out: &mut impl Write) -> Result<(), CheckConfigError> {
    let config = Config::load(path)?;
    let services = config.virtual_services.len();
    let real_servers: usize = config
        .virtual_services
        .iter()
        .map(|service| service.real_servers.len())
        .sum();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    writeln!(
        out,
        "{}: valid: {services} virtual service{}, {real_servers} real server{}",
        path.display(),
        plural(services),
        plural(real_servers)
    )
    .map_err(CheckConfigError::Output)
}

#[cfg(test)]
mod tests;
