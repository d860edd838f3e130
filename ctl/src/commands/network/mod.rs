//! `shoal network`.

mod create;
mod inspect;
mod ls;
mod prune;
mod rm;

use super::Session;
use crate::{args::network::NetworkCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::Create(args) => create::run(session, args).await,
        NetworkCommand::Ls(args) => ls::run(session, args).await,
        NetworkCommand::Inspect(args) => inspect::run(session, args).await,
        NetworkCommand::Rm(args) => rm::run(session, args).await,
        NetworkCommand::Prune(args) => prune::run(session, args).await,
    }
}
