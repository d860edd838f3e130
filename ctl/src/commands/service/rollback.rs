//! `service rollback`.

use super::{Session, converge};
use crate::{args::service::RollbackServiceArgs, error::CliError, output::progress::Goal};
use proto::wire::RollbackServiceRequest;

/// Brings the spec before back and waits for it.
pub async fn run(session: &Session, args: RollbackServiceArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let request = RollbackServiceRequest { service: args.service.clone() };
    let service = client.control().rollback_service(request).await.map_err(CliError::cluster)?.into_inner();
    session.printer.line(&args.service)?;
    converge::wait(session, client, &service, Goal::Rollback, &args.wait).await
}
