//! `node inspect`.

use super::{Session, own_name};
use crate::{
    args::node::NodeInspectArgs,
    commands::{inspection, several::Refusals},
    error::CliError,
    output::{inspect::InspectedNode, pretty},
};
use proto::wire::{GetNodeRequest, Node};
use tonic::Response;

/// Shows everything about nodes.
pub async fn run(session: &Session, args: NodeInspectArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut control = client.control();
    let mut refusals = Refusals::default();
    let mut found: Vec<Node> = Vec::new();
    for node in own_name::resolve_all(&client, args.nodes).await? {
        let answer = control.get_node(GetNodeRequest { node }).await.map_err(CliError::cluster);
        found.extend(refusals.take(answer)?.map(Response::into_inner));
    }
    if args.inspect.pretty {
        session.printer.data(found.iter().map(pretty::node).collect::<Vec<_>>().join("\n"))?;
    } else {
        let found: Vec<InspectedNode> = found.into_iter().map(Into::into).collect();
        inspection::print(session, &found, args.inspect.format.as_deref())?;
    }
    refusals.finish()
}
