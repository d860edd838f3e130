//! `shoal stack`.

mod config;
mod converge;
mod deploy;
mod diff;
mod ls;
mod project;
mod ps;
mod rm;
mod services;

use super::{Session, task_list};
use crate::{args::stack::StackCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: StackCommand) -> Result<(), CliError> {
    match command {
        StackCommand::Deploy(args) => deploy::run(session, *args).await,
        StackCommand::Diff(args) => diff::run(session, args).await,
        StackCommand::Config(args) => config::run(session, &args),
        StackCommand::Ls(args) => ls::run(session, args).await,
        StackCommand::Ps(args) => ps::run(session, args).await,
        StackCommand::Services(args) => services::run(session, args).await,
        StackCommand::Rm(args) => rm::run(session, args).await,
    }
}
