//! `system info`.

use super::Session;
use crate::{
    args::system::InfoArgs,
    client::Client,
    commands::inspection,
    error::CliError,
    output::info::{Info, text},
};
use proto::wire::{ClusterSpec, GetClusterRequest, InfoRequest, InfoResponse, Role};
use std::time::Duration;
use tokio::time::timeout;

/// How long the managers may take to tell of the cluster's settings.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows what this node is.
pub async fn run(session: &Session, args: InfoArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let info = client.node().info(InfoRequest {}).await.map_err(CliError::node)?.into_inner();
    let settings = settings(&client, &info).await;
    match args.format.as_deref() {
        None => Ok(session.printer.data(text(&info, settings.as_ref()))?),
        format => inspection::print(session, &[Info::new(info, settings.as_ref())], format),
    }
}

/// The cluster's settings, if this node is a manager and the leader answers: what the node says of itself is
/// shown in any case.
async fn settings(client: &Client, info: &InfoResponse) -> Option<ClusterSpec> {
    if info.state != "active" || info.role() != Role::Manager {
        return None;
    }
    let mut control = client.control();
    let answer = timeout(PATIENCE, control.get_cluster(GetClusterRequest {})).await.ok()?.ok()?;
    answer.into_inner().spec
}
