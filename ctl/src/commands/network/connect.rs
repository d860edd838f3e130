//! `network connect`.

use super::{
    Session,
    target::{self, Target},
    task_wait,
};
use crate::{
    args::network::ConnectArgs,
    commands::service::{converge, edit::edit},
    error::CliError,
    output::{networks, progress::Goal},
};
use proto::{
    model::{Name, Problems},
    wire::{ConnectTaskRequest, Network, NetworkAttachment, ServiceSpec},
};

/// Connects a service, whose tasks are replaced one after the other, or one task that runs.
pub async fn run(session: &Session, args: ConnectArgs) -> Result<(), CliError> {
    let mut problems = Problems::default();
    problems.take_all("--alias", args.aliases.iter().map(|alias| alias.parse::<Name>()));
    problems.finish(())?;
    let client = session.client().await?;
    let network = target::network(&client, &args.network).await?;
    match target::find(&client, &args.target).await? {
        Target::Service(service) => {
            let change = |spec: &mut ServiceSpec| attach(spec, &network, &args.aliases);
            let service = edit(&client, &service.id, change).await?;
            converge::wait(session, client, &service, Goal::Spec, &args.wait).await
        }
        Target::Task(task) => {
            let request =
                ConnectTaskRequest { network: network.id.clone(), task: task.id, aliases: args.aliases };
            let task = client.control().connect_task(request).await.map_err(CliError::cluster)?.into_inner();
            task_wait::carried_out(session, client, &task, &network, &args.wait).await
        }
    }
}

fn attach(spec: &mut ServiceSpec, network: &Network, aliases: &[String]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let (service, name) = (spec.name.clone(), networks::name(network));
    let task = spec.task.get_or_insert_default();
    if task.attachments.iter().any(|attachment| attachment.network == network.id) {
        let message = format!(
            "service `{service}` is in network `{name}` already: change its aliases with `shoal service update \
             --network-add name={name},alias=NAME {service}`"
        );
        problems.add("NETWORK", message);
    }
    task.attachments.push(NetworkAttachment { network: network.id.clone(), aliases: aliases.to_vec() });
    problems.finish(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;

    #[test]
    fn a_service_is_attached_once() {
        let mut spec = fixtures::web().spec.unwrap();
        let before = spec.task.clone().unwrap().attachments.len();
        let network = fixtures::network("back");
        attach(&mut spec, &network, &["www".into()]).unwrap();
        let attachments = spec.task.clone().unwrap().attachments;
        assert_eq!(
            (attachments.len(), attachments[before].aliases.as_slice()),
            (before + 1, &["www".into()][..])
        );
        let refused = attach(&mut spec, &network, &[]).unwrap_err().to_string();
        assert!(refused.contains("--network-add name=back,alias=NAME web"), "{refused}");
    }
}
