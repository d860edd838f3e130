//! `stack deploy`.

use super::{Session, converge, diff, project};
use crate::{args::stack::DeployArgs, error::CliError, output::stack_changes};
use proto::wire::ApplyStackRequest;

/// Makes a stack what its files say, and waits for it.
pub async fn run(session: &Session, args: DeployArgs) -> Result<(), CliError> {
    let spec = project::read(&args.project, args.stack.as_deref())?.spec(session)?;
    if args.dry_run {
        return diff::show(session, spec, args.prune).await.map(drop);
    }
    let client = session.client().await?;
    let request = ApplyStackRequest { spec: Some(spec), prune: args.prune, dry_run: false };
    let applied = client.control().apply_stack(request).await.map_err(CliError::cluster)?.into_inner();
    for line in stack_changes::done(&applied.changes) {
        session.printer.line(&line)?;
    }
    if args.wait.detach {
        return Ok(());
    }
    let name = applied.stack.and_then(|stack| stack.spec).unwrap_or_default().name;
    converge::wait(session, client, &name, &applied.services, args.wait.quiet).await
}
