//! `node rm`.

use super::{Session, own_name};
use crate::{args::node::RmArgs, commands::several::Refusals, error::CliError};
use proto::wire::RemoveNodeRequest;

/// Removes nodes.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut control = client.control();
    let mut refusals = Refusals::default();
    for node in own_name::resolve_all(&client, args.nodes).await? {
        let answer = control.remove_node(RemoveNodeRequest { node: node.clone(), force: args.force }).await;
        if refusals.take(answer.map_err(CliError::cluster))?.is_some() {
            session.printer.line(&node)?;
        }
    }
    refusals.finish()
}
