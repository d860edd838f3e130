//! `shoal service`.

pub(super) mod converge;
pub(super) mod create;
pub(super) mod display;
pub(super) mod edit;
mod explain;
mod history;
mod inspect;
pub(super) mod logs;
mod ls;
mod networks;
mod ps;
mod rm;
mod rollback;
mod rollout;
mod scale;
mod update;

use super::Session;
use crate::{args::service::ServiceCommand, error::CliError};

/// Carries a command out.
pub async fn run(session: &Session, command: ServiceCommand) -> Result<(), CliError> {
    match command {
        ServiceCommand::Create(args) => create::run(session, *args).await,
        ServiceCommand::Ls(args) => ls::run(session, args).await,
        ServiceCommand::Ps(args) => ps::run(session, args).await,
        ServiceCommand::Inspect(args) => inspect::run(session, args).await,
        ServiceCommand::Scale(args) => scale::run(session, args).await,
        ServiceCommand::Update(args) => update::run(session, *args).await,
        ServiceCommand::Rollback(args) => rollback::run(session, args).await,
        ServiceCommand::History(args) => history::run(session, args).await,
        ServiceCommand::Explain(args) => explain::run(session, args).await,
        ServiceCommand::Promote(args) => rollout::promote(session, args).await,
        ServiceCommand::Rollout(command) => rollout::run(session, command).await,
        ServiceCommand::Rm(args) => rm::run(session, args).await,
        ServiceCommand::Logs(args) => logs::run(session, args).await,
    }
}

/// The caller's own variable, for `--env NAME`.
fn own_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
