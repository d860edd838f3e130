//! `shoal network`.

mod check;
mod connect;
mod create;
mod disconnect;
mod inspect;
mod ls;
mod prune;
mod rm;
mod target;
mod task_wait;

use super::Session;
use crate::{args::network::NetworkCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: NetworkCommand) -> Result<(), CliError> {
    match command {
        NetworkCommand::Connect(args) => connect::run(session, args).await,
        NetworkCommand::Disconnect(args) => disconnect::run(session, args).await,
        NetworkCommand::Create(args) => create::run(session, args).await,
        NetworkCommand::Ls(args) => ls::run(session, args).await,
        NetworkCommand::Inspect(args) => inspect::run(session, args).await,
        NetworkCommand::Rm(args) => rm::run(session, args).await,
        NetworkCommand::Prune(args) => prune::run(session, args).await,
        NetworkCommand::Check(args) => check::run(session, args).await,
    }
}
