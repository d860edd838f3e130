//! `swarm update`.

use super::Session;
use crate::{args::swarm::UpdateArgs, commands::retry, error::CliError, spec};
use proto::{
    model::Problems,
    wire::{ClusterSpec, GetClusterRequest, UpdateClusterRequest},
};

/// Changes the cluster's settings.
pub async fn run(session: &Session, args: UpdateArgs) -> Result<(), CliError> {
    let mut problems = Problems::default();
    spec::set_cluster(&args.cluster, &mut ClusterSpec::default(), &mut problems);
    problems.finish(())?;
    let control = session.client().await?.control();
    retry::while_stale(async || {
        let mut control = control.clone();
        let cluster =
            control.get_cluster(GetClusterRequest {}).await.map_err(CliError::cluster)?.into_inner();
        let mut spec = cluster.spec.unwrap_or_default();
        spec::set_cluster(&args.cluster, &mut spec, &mut Problems::default());
        let request = UpdateClusterRequest { version: cluster.version, spec: Some(spec) };
        control.update_cluster(request).await.map_err(CliError::cluster)
    })
    .await?;
    Ok(session.printer.line("Swarm updated.")?)
}
