use std::io::{self, Write};

use super::{Done, Failure, socket};
use crate::cli::ControlSocket;
use crate::control;

pub(super) async fn run(arguments: ControlSocket) -> Result<Done, Failure> {
    let reloaded = control::reload(&socket(arguments)?).await?;
    if reloaded.ok {
        writeln!(io::stdout(), "{}", reloaded.message)?;
        Ok(Done::Well)
    } else if reloaded.bad_configuration {
        Err(Failure::ReloadedBadConfiguration(reloaded.message))
    } else {
        Err(Failure::Reload(reloaded.message))
    }
}
