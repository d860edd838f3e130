//! `shoal secret` and `shoal config`.

mod content;
mod create;
mod inspect;
mod ls;
mod rm;
mod update;

use super::Session;
use crate::{
    args::payload::{ConfigCommand, SecretCommand, SecretCreateArgs},
    error::CliError,
};
use proto::{
    model::{PayloadKind, Problems},
    wire::{GetPayloadRequest, Payload, control_client::ControlClient},
};
use tonic::transport::Channel;

/// Carries a command about secrets out.
pub async fn secret(session: &Session, command: SecretCommand) -> Result<(), CliError> {
    let kind = PayloadKind::Secret;
    match command {
        SecretCommand::Create(args) => {
            no_driver(&args)?;
            create::run(session, kind, args.create).await
        }
        SecretCommand::Ls(args) => ls::run(session, kind, args).await,
        SecretCommand::Inspect(args) => inspect::run(session, kind, args).await,
        SecretCommand::Update(args) => update::run(session, kind, args).await,
        SecretCommand::Rm(args) => rm::run(session, kind, args).await,
    }
}

/// Carries a command about configs out.
pub async fn config(session: &Session, command: ConfigCommand) -> Result<(), CliError> {
    let kind = PayloadKind::Config;
    match command {
        ConfigCommand::Create(args) => create::run(session, kind, args).await,
        ConfigCommand::Ls(args) => ls::run(session, kind, args).await,
        ConfigCommand::Inspect(args) => inspect::run(session, kind, args).await,
        ConfigCommand::Update(args) => update::run(session, kind, args).await,
        ConfigCommand::Rm(args) => rm::run(session, kind, args).await,
    }
}

/// Docker's are plugins, of which there are none here.
fn no_driver(args: &SecretCreateArgs) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if args.driver.is_some() {
        problems.add(
            "--driver",
            "there are no secret drivers: the managers keep secrets themselves, so leave it out",
        );
    }
    problems.finish(())
}

async fn get(
    control: &mut ControlClient<Channel>,
    kind: PayloadKind,
    name: &str,
) -> Result<Payload, CliError> {
    let kind = proto::wire::PayloadKind::from(kind).into();
    let request = GetPayloadRequest { kind, payload: name.to_owned() };
    Ok(control.get_payload(request).await.map_err(CliError::cluster)?.into_inner())
}
