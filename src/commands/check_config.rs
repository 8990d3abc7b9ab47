use std::io::{self, Write};
use std::path::Path;

use super::{CommandError, Done, load};

pub(super) fn run(path: &Path) -> Result<Done, CommandError> {
    let config = load(path)?;
    let services = config.virtual_services.len();
    let real_servers: usize =
        config.virtual_services.iter().map(|service| service.real_servers.len()).sum();
    writeln!(
        io::stdout(),
        "{}: valid: {}, {}",
        path.display(),
        count(services, "virtual service"),
        count(real_servers, "real server")
    )?;
    Ok(Done::Well)
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
