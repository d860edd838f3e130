//! `network disconnect`.

use super::{
    Session,
    target::{self, Target},
    task_wait,
};
use crate::{
    args::network::DisconnectArgs,
    commands::service::{converge, edit::edit},
    error::CliError,
    output::{networks, progress::Goal},
};
use proto::{
    model::Problems,
    wire::{DisconnectTaskRequest, Network, ServiceSpec},
};

/// Disconnects a service, whose tasks are replaced one after the other, or one task that was connected.
pub async fn run(session: &Session, args: DisconnectArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let network = target::network(&client, &args.network).await?;
    match target::find(&client, &args.target).await? {
        Target::Service(service) => {
            let change = |spec: &mut ServiceSpec| detach(spec, &network, args.force);
            let service = edit(&client, &service.id, change).await?;
            converge::wait(session, client, &service, Goal::Spec, &args.wait).await
        }
        Target::Task(task) => {
            let (network_id, force) = (network.id.clone(), args.force);
            let request = DisconnectTaskRequest { network: network_id, task: task.id, force };
            let task =
                client.control().disconnect_task(request).await.map_err(CliError::cluster)?.into_inner();
            if force {
                return Ok(());
            }
            task_wait::carried_out(session, client, &task, &network, &args.wait).await
        }
    }
}

fn detach(spec: &mut ServiceSpec, network: &Network, force: bool) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if force {
        problems.add("--force", "is for single tasks: leave it out, a service's tasks are replaced anyway");
    }
    let attachments = &mut spec.task.get_or_insert_default().attachments;
    let before = attachments.len();
    attachments.retain(|attachment| attachment.network != network.id);
    if attachments.len() == before {
        let message = format!("service `{}` is not in network `{}`", spec.name, networks::name(network));
        problems.add("NETWORK", message);
    }
    problems.finish(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;
    use proto::wire::NetworkAttachment;

    #[test]
    fn a_service_is_taken_out_of_the_network_it_is_in() {
        let network = fixtures::network("front");
        let mut spec = fixtures::web().spec.unwrap();
        let attachment = NetworkAttachment { network: network.id.clone(), aliases: Vec::new() };
        spec.task.get_or_insert_default().attachments = vec![attachment];
        detach(&mut spec, &network, false).unwrap();
        assert!(spec.task.clone().unwrap().attachments.is_empty());
        let refused = detach(&mut spec, &network, true).unwrap_err().to_string();
        assert!(
            refused.contains("--force: ") && refused.contains("`web` is not in network `front`"),
            "{refused}"
        );
    }
}
