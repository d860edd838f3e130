//! `node promote` and `node demote`.

use super::{Session, own_name};
use crate::{
    args::node::NamesArgs,
    commands::{retry, several::Refusals},
    error::CliError,
};
use proto::wire::{GetNodeRequest, Role, UpdateNodeRequest, control_client::ControlClient};
use tonic::transport::Channel;

/// Makes nodes managers.
pub async fn promote(session: &Session, args: NamesArgs) -> Result<(), CliError> {
    set_all(session, args, Role::Manager).await
}

/// Makes managers workers.
pub async fn demote(session: &Session, args: NamesArgs) -> Result<(), CliError> {
    set_all(session, args, Role::Worker).await
}

async fn set_all(session: &Session, args: NamesArgs, role: Role) -> Result<(), CliError> {
    let client = session.client().await?;
    let control = client.control();
    let mut refusals = Refusals::default();
    for node in own_name::resolve_all(&client, args.nodes).await? {
        let outcome = retry::while_stale(async || set(control.clone(), &node, role).await).await;
        if let Some(changed) = refusals.take(outcome)? {
            session.printer.line(&sentence(&node, role, changed))?;
        }
    }
    refusals.finish()
}

/// Sets one node's role; `false` if it was to have it already.
async fn set(mut control: ControlClient<Channel>, node: &str, role: Role) -> Result<bool, CliError> {
    let found =
        control.get_node(GetNodeRequest { node: node.to_owned() }).await.map_err(CliError::cluster)?;
    let found = found.into_inner();
    let mut spec = found.spec.unwrap_or_default();
    if spec.role() == role {
        return Ok(false);
    }
    spec.role = role.into();
    let request = UpdateNodeRequest { node: found.id, version: found.version, spec: Some(spec) };
    control.update_node(request).await.map_err(CliError::cluster)?;
    Ok(true)
}

fn sentence(node: &str, role: Role, changed: bool) -> String {
    match (role, changed) {
        (Role::Manager, true) => format!("Node {node} promoted to a manager in the swarm."),
        (Role::Manager, false) => format!("Node {node} is already a manager."),
        (_, true) => format!("Manager {node} demoted in the swarm."),
        (_, false) => format!("Node {node} is already a worker."),
    }
}
