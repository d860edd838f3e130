//! `secret rm` and `config rm`.

use super::Session;
use crate::{args::payload::RmArgs, commands::several::Refusals, error::CliError};
use proto::{
    model::PayloadKind,
    wire::{self, RemovePayloadRequest},
};

/// Removes secrets or configs.
pub async fn run(session: &Session, kind: PayloadKind, args: RmArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let mut refusals = Refusals::default();
    for name in args.names {
        let kind = wire::PayloadKind::from(kind).into();
        let request = RemovePayloadRequest { kind, payload: name.clone() };
        let answer = control.remove_payload(request).await.map_err(CliError::cluster);
        if refusals.take(answer)?.is_some() {
            session.printer.line(&name)?;
        }
    }
    refusals.finish()
}
