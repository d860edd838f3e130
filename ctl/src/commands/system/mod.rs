//! `shoal system`, and its short forms.

pub mod check;
pub mod info;
pub mod version;

use super::Session;
use crate::{args::system::SystemCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: SystemCommand) -> Result<(), CliError> {
    match command {
        SystemCommand::Info(args) => info::run(session, args).await,
        SystemCommand::Version(args) => version::run(session, args).await,
        SystemCommand::Check(args) => check::run(session, args).await,
    }
}
