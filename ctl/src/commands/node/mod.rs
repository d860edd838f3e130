//! `shoal node`.

mod inspect;
mod ls;
pub mod own_name;
mod ps;
mod rm;
mod role;
mod update;

use super::Session;
use crate::{args::node::NodeCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: NodeCommand) -> Result<(), CliError> {
    match command {
        NodeCommand::Ls(args) => ls::run(session, args).await,
        NodeCommand::Inspect(args) => inspect::run(session, args).await,
        NodeCommand::Ps(args) => ps::run(session, args).await,
        NodeCommand::Update(args) => update::run(session, args).await,
        NodeCommand::Promote(args) => role::promote(session, args).await,
        NodeCommand::Demote(args) => role::demote(session, args).await,
        NodeCommand::Rm(args) => rm::run(session, args).await,
    }
}
