//! `swarm init`.

use super::{Session, availability, instructions};
use crate::{args::swarm::InitArgs, error::CliError, spec};
use proto::{
    model::Problems,
    wire::{ClusterSpec, InitRequest},
};

/// Makes a cluster.
pub async fn run(session: &Session, args: InitArgs) -> Result<(), CliError> {
    let mut problems = Problems::default();
    let availability = availability(&args.member, &mut problems);
    let mut spec = ClusterSpec::default();
    spec::set_cluster(&args.cluster, &mut spec, &mut problems);
    let request = problems.finish(InitRequest {
        advertise_addr: args.member.advertise_addr.unwrap_or_default(),
        listen_addr: args.member.listen_addr.unwrap_or_default(),
        data_path_addr: args.member.data_path_addr.unwrap_or_default(),
        availability: availability.into(),
        spec: Some(spec),
    })?;
    let made = session.client().await?.node().init(request).await.map_err(CliError::node)?.into_inner();
    session.printer.data(format!(
        "Swarm initialized: current node ({}) is now a manager.\n\n{}\
         To add a manager to this swarm, run 'shoal swarm join-token manager' and follow the instructions.\n\n",
        made.node_id,
        instructions("worker", &made.worker_token, &made.advertise_addr)
    ))?;
    Ok(())
}
