use std::io::{self, Write};
use std::path::Path;

use super::{Done, Failure, load};

pub(super) fn run(path: &Path) -> Result<Done, Failure> {
    let config = load(path)?;
    let services = config.virtual_services.iter();
    let real_servers: usize = services.map(|service| service.real_servers.len()).sum();
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "{}: valid: {}, {}",
        path.display(),
        count(config.virtual_services.len(), "virtual service"),
        count(real_servers, "real server")
    )?;
    Ok(Done::Well)
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
