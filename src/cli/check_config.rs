use std::io::{self, Write};
use std::path::Path;

use super::{CommandFailure, ExitStatus, load};

pub(super) fn run(path: &Path) -> Result<ExitStatus, CommandFailure> {
    let config = match load(path) {
        Ok(config) => config,
        Err(errors) => {
            for warning in errors.warnings() {
                writeln!(io::stdout(), "{warning}")?;
            }
            return Err(errors.into());
        }
    };
    writeln!(
        io::stdout(),
        "{}: valid: {}",
        path.display(),
        config.summary()
    )?;
    for warning in config.warnings.iter().chain(&config.suggestions) {
        writeln!(io::stdout(), "{warning}")?;
    }
    Ok(ExitStatus::Success)
}
