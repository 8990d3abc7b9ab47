use super::{Done, Failure, operate, socket};
use crate::cli::arguments::ControlSocket;
use crate::control::Operation;

pub(super) async fn run(arguments: ControlSocket) -> Result<Done, Failure> {
    operate(&socket(arguments)?, &Operation::Reload).await?;
    Ok(Done::Well)
}
