//! `secret create` and `config create`.

use super::{Session, content};
use crate::{args::payload::CreateArgs, error::CliError, spec};
use proto::model::PayloadKind;

/// Creates a secret or config.
pub async fn run(session: &Session, kind: PayloadKind, args: CreateArgs) -> Result<(), CliError> {
    let request = spec::create_payload(kind, &args, &|path| content::read(kind, path))?;
    let mut control = session.client().await?.control();
    let payload = control.create_payload(request).await.map_err(CliError::cluster)?.into_inner();
    Ok(session.printer.line(&payload.id)?)
}
