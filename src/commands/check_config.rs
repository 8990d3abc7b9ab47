use std::io::{self, Write};
use std::path::Path;

use super::{Done, Failure, load};

pub(super) fn run(path: &Path) -> Result<Done, Failure> {
    let config = load(path)?;
    writeln!(
        io::stdout(),
        "{}: valid: {}",
        path.display(),
        config.summary()
    )?;
    for warning in config.warnings.iter().chain(&config.suggestions) {
        writeln!(io::stdout(), "{warning}")?;
    }
    Ok(Done::Well)
}
