//! `swarm leave`.

use super::Session;
use crate::{args::swarm::LeaveArgs, error::CliError};
use proto::wire::SwarmLeaveRequest;

/// Takes this node out of its cluster.
pub async fn run(session: &Session, args: LeaveArgs) -> Result<(), CliError> {
    let mut node = session.client().await?.node();
    node.leave(SwarmLeaveRequest { force: args.force }).await.map_err(CliError::node)?;
    Ok(session.printer.line("Node left the swarm.")?)
}
