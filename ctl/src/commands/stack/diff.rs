//! `stack diff`, which is `stack deploy --dry-run` under another name.

use super::{Session, project};
use crate::{
    args::stack::DiffArgs,
    error::CliError,
    output::{nodes, stack_changes},
};
use proto::wire::{ApplyStackRequest, ListNodesRequest, StackSpec};
use std::collections::BTreeMap;

/// Shows what a deployment would change.
pub async fn run(session: &Session, args: DiffArgs) -> Result<(), CliError> {
    let spec = project::read(&args.project, args.stack.as_deref())?.spec(session)?;
    let differs = show(session, spec, args.prune).await?;
    if differs && args.exit_code { Err(CliError::StackDiffers) } else { Ok(()) }
}

/// Shows what would change; says whether anything would.
pub async fn show(session: &Session, spec: StackSpec, prune: bool) -> Result<bool, CliError> {
    let client = session.client().await?;
    let request = ApplyStackRequest { spec: Some(spec), prune, dry_run: true };
    let (mut for_stack, mut for_nodes) = (client.control(), client.control());
    let (applied, all) =
        tokio::try_join!(for_stack.apply_stack(request), for_nodes.list_nodes(ListNodesRequest {}))
            .map_err(CliError::cluster)?;
    let named = |node: &proto::wire::Node| (node.id.clone(), nodes::hostname(node).to_owned());
    let hostnames: BTreeMap<String, String> = all.into_inner().nodes.iter().map(named).collect();
    let changes = applied.into_inner().changes;
    session.printer.data(stack_changes::planned(&changes, &hostnames)?)?;
    Ok(stack_changes::differ(&changes))
}
