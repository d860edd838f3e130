//! `service rm`.

use super::Session;
use crate::{args::service::RmArgs, commands::several::Refusals, error::CliError};
use proto::wire::RemoveServiceRequest;

/// Removes services.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let mut refusals = Refusals::default();
    for service in args.services {
        let answer = control.remove_service(RemoveServiceRequest { service: service.clone() }).await;
        if refusals.take(answer.map_err(CliError::cluster))?.is_some() {
            session.printer.line(&service)?;
        }
    }
    refusals.finish()
}
