//! `shoal image`, and its short forms.

mod inspect;
pub mod load;
pub mod ls;
pub mod pull;
pub mod rm;
mod source;

pub use source::SourceError;

use super::Session;
use crate::{args::image::ImageCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: ImageCommand) -> Result<(), CliError> {
    match command {
        ImageCommand::Load(args) => load::run(session, args).await,
        ImageCommand::Pull(args) => pull::run(session, args).await,
        ImageCommand::Ls(args) => ls::run(session, args).await,
        ImageCommand::Inspect(args) => inspect::run(session, args).await,
        ImageCommand::Rm(args) => rm::run(session, args).await,
    }
}
