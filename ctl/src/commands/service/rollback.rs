//! `service rollback`.

use super::{Session, converge};
use crate::{args::service::RollbackServiceArgs, error::CliError, output::progress::Goal, parse::number};
use proto::{model::Problems, wire::RollbackServiceRequest};

/// Brings the spec before back, or another that the service had, and waits for it.
pub async fn run(session: &Session, args: RollbackServiceArgs) -> Result<(), CliError> {
    let mut problems = Problems::default();
    let to = args.to.as_deref().and_then(|text| problems.take("--to", number::revision(text)));
    problems.finish(())?;
    let client = session.client().await?;
    let request = RollbackServiceRequest {
        service: args.service.clone(),
        revision: to.unwrap_or(0),
        with_replicas: args.with_replicas,
    };
    let service = client.control().rollback_service(request).await.map_err(CliError::cluster)?.into_inner();
    session.printer.line(&args.service)?;
    converge::wait(session, client, &service, Goal::Rollback, &args.wait).await
}
