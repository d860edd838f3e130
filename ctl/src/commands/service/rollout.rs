//! `service promote` and `service rollout`.

use super::{Session, converge};
use crate::{
    args::service::{RolloutCommand, RolloutTargetArgs},
    error::CliError,
    output::progress::Goal,
};
use proto::wire::{ControlRolloutRequest, Service, control_rollout_request::Action};

/// Carries a command about a rollout out.
pub async fn run(session: &Session, command: RolloutCommand) -> Result<(), CliError> {
    match command {
        RolloutCommand::Pause(args) => {
            change(session, &args.service, Action::Pause).await?;
            Ok(())
        }
        RolloutCommand::Resume(args) => change_and_wait(session, args, Action::Resume, Goal::Spec).await,
        RolloutCommand::Cancel(args) => change_and_wait(session, args, Action::Cancel, Goal::Rollback).await,
    }
}

/// Brings the spec of the canaries to the other tasks, and waits for it.
pub async fn promote(session: &Session, args: RolloutTargetArgs) -> Result<(), CliError> {
    change_and_wait(session, args, Action::Promote, Goal::Spec).await
}

async fn change_and_wait(
    session: &Session,
    args: RolloutTargetArgs,
    action: Action,
    goal: Goal,
) -> Result<(), CliError> {
    let service = change(session, &args.service, action).await?;
    converge::wait(session, session.client().await?, &service, goal, &args.wait).await
}

async fn change(session: &Session, service: &str, action: Action) -> Result<Service, CliError> {
    let request = ControlRolloutRequest { service: service.to_owned(), action: action.into() };
    let mut control = session.client().await?.control();
    let changed = control.control_rollout(request).await.map_err(CliError::cluster)?.into_inner();
    session.printer.line(service)?;
    Ok(changed)
}
