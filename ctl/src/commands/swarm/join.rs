//! `swarm join`.

use super::{Session, availability};
use crate::{args::swarm::JoinArgs, error::CliError, output::states};
use proto::{model::Problems, wire::SwarmJoinRequest};

/// Joins a cluster.
pub async fn run(session: &Session, args: JoinArgs) -> Result<(), CliError> {
    let mut problems = Problems::default();
    let availability = availability(&args.member, &mut problems);
    let request = problems.finish(SwarmJoinRequest {
        token: args.token,
        remote_addr: args.remote_addr,
        advertise_addr: args.member.advertise_addr.unwrap_or_default(),
        listen_addr: args.member.listen_addr.unwrap_or_default(),
        data_path_addr: args.member.data_path_addr.unwrap_or_default(),
        availability: availability.into(),
    })?;
    let joined = session.client().await?.node().join(request).await.map_err(CliError::node)?.into_inner();
    session.printer.line(&format!("This node joined a swarm as a {}.", states::role(joined.role())))?;
    Ok(())
}
