//! `node rm`.

use super::Session;
use crate::{args::node::RmArgs, commands::several::Refusals, error::CliError};
use proto::wire::RemoveNodeRequest;

/// Removes nodes.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let mut refusals = Refusals::default();
    for node in args.nodes {
        let answer = control.remove_node(RemoveNodeRequest { node: node.clone(), force: args.force }).await;
        if refusals.take(answer.map_err(CliError::cluster))?.is_some() {
            session.printer.line(&node)?;
        }
    }
    refusals.finish()
}
