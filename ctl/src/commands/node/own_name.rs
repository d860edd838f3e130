//! `self`: the node whose daemon is called. Only that daemon knows which one it is, since what is about
//! the cluster is passed on to its leader.

use crate::{client::Client, error::CliError};
use proto::wire::InfoRequest;

const SELF: &str = "self";

/// The id of the called node for `self`, any other name as it is.
pub async fn resolve(client: &Client, name: &str) -> Result<String, CliError> {
    if name != SELF {
        return Ok(name.to_owned());
    }
    let info = client.node().info(InfoRequest {}).await.map_err(CliError::node)?.into_inner();
    // A node outside of any cluster is told so by the call that follows.
    Ok(if info.node_id.is_empty() { name.to_owned() } else { info.node_id })
}

/// The same for several names.
pub async fn resolve_all(client: &Client, names: Vec<String>) -> Result<Vec<String>, CliError> {
    let mut resolved = Vec::with_capacity(names.len());
    for name in names {
        resolved.push(resolve(client, &name).await?);
    }
    Ok(resolved)
}
