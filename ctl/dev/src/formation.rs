//! Making one cluster of daemons that run: the first manager begins it, the others join, and all
//! become ready. What has been done before is not done again.

use crate::{CallError, Client, Node, daemon, node::Nodes};
use proto::{
    model::Role,
    wire::{self, InfoRequest, InfoResponse, JoinTokensResponse},
};
use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tonic::Code;

/// The port every node serves the cluster at.
const PORT: u16 = 2377;
/// How often something that is about to change is looked at.
const STEP: Duration = Duration::from_millis(50);

/// Says why daemons don't become one cluster.
#[derive(Debug, thiserror::Error)]
pub enum FormationError {
    /// A daemon does not answer as it should.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its process can't be looked at.
    #[error(transparent)]
    Daemon(#[from] crate::DaemonError),
    /// A daemon ended.
    #[error("the daemon of {node} has ended; the end of its log, `{log}`:\n{words}")]
    Ended {
        /// The node.
        node: String,
        /// The log.
        log: PathBuf,
        /// Its last lines.
        words: String,
    },
    /// A daemon can't take part in its cluster.
    #[error("{node} can't take part in the cluster: {reason}")]
    Failed {
        /// The node.
        node: String,
        /// What its daemon says.
        reason: String,
    },
    /// Workers remember a cluster that no manager knows.
    #[error("no manager remembers the cluster, but {0} does: begin anew after `shoal down`")]
    NoManager(String),
    /// It takes too long.
    #[error("{node} is not {wanted} after {patience:?}; see its log, `{log}`")]
    Late {
        /// The node.
        node: String,
        /// What it should have become.
        wanted: &'static str,
        /// How long it was waited for.
        patience: Duration,
        /// Its log.
        log: PathBuf,
    },
}

/// What has come of it.
pub(crate) struct Formed {
    /// The nodes' ids, by name.
    pub ids: BTreeMap<String, String>,
    /// Whether the cluster was begun or a node joined.
    pub changed: bool,
}

/// Waiting with an end.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    until: Instant,
    whole: Duration,
}

impl Patience {
    pub fn new(whole: Duration) -> Self {
        Self { until: Instant::now() + whole, whole }
    }

    /// Asks again and again until there is an answer.
    async fn poll<T, F>(
        &self,
        node: &Node,
        wanted: &'static str,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, FormationError>
    where
        F: Future<Output = Result<Option<T>, FormationError>>,
    {
        loop {
            // One that hangs is as late as one that says no.
            let left = self.until.saturating_duration_since(Instant::now());
            if let Ok(answer) = tokio::time::timeout(left, ask()).await
                && let Some(answer) = answer?
            {
                return Ok(answer);
            }
            if Instant::now() >= self.until {
                let (node, log) = (node.name().to_owned(), node.log());
                return Err(FormationError::Late { node, wanted, patience: self.whole, log });
            }
            sleep(STEP).await;
        }
    }
}

/// Makes one cluster of the nodes, whose daemons have been started.
pub(crate) async fn form(
    nodes: &Nodes,
    patience: Patience,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<Formed, FormationError> {
    let mut infos = BTreeMap::new();
    for node in nodes {
        infos.insert(node.name(), settled(node, patience).await?);
    }
    let is_new = |node: &Node| infos[node.name()].node_id.is_empty();
    let mut ids: BTreeMap<String, String> = infos
        .iter()
        .filter(|(_, info)| !info.node_id.is_empty())
        .map(|(name, info)| ((*name).to_owned(), info.node_id.clone()))
        .collect();
    let changed = ids.len() < nodes.len();

    let managers = || nodes.iter().filter(|node| node.role() == Role::Manager);
    let seed = match (managers().find(|node| !is_new(node)), managers().next()) {
        (Some(seed), _) => seed,
        (None, Some(first)) => {
            if let Some(name) = ids.keys().next() {
                return Err(FormationError::NoManager(name.clone()));
            }
            let id = begin(first).await?;
            progress(&format!("{} began the cluster", first.name()));
            ids.insert(first.name().to_owned(), id);
            first
        }
        (None, None) => return Ok(Formed { ids, changed: false }),
    };
    if ids.len() < nodes.len() {
        let tokens = tokens(seed, patience).await?;
        let waiting = |role| nodes.iter().filter(move |node| node.role() == role);
        // One after another: each joins the consensus group, which takes one change at a time.
        for node in waiting(Role::Manager).filter(|node| !ids.contains_key(node.name())).collect::<Vec<_>>() {
            let id = join(node, seed, &tokens.manager, patience).await?;
            progress(&format!("{} joined as a manager", node.name()));
            ids.insert(node.name().to_owned(), id);
        }
        let workers = waiting(Role::Worker).filter(|node| !ids.contains_key(node.name())).map(async |node| {
            let id = join(node, seed, &tokens.worker, patience).await?;
            progress(&format!("{} joined as a worker", node.name()));
            Ok::<_, FormationError>((node.name().to_owned(), id))
        });
        let joined = futures::future::try_join_all(workers).await?;
        ids.extend(joined);
    }
    for node in nodes {
        ready(node, seed, &ids[node.name()], patience).await?;
    }
    Ok(Formed { ids, changed })
}

/// Waits until a daemon answers.
pub(crate) async fn answering(node: &Node, patience: Patience) -> Result<InfoResponse, FormationError> {
    patience.poll(node, "answering", || info(node)).await
}

/// Waits until a daemon answers and knows whether it is part of a cluster.
async fn settled(node: &Node, patience: Patience) -> Result<InfoResponse, FormationError> {
    let known = async || {
        let Some(info) = info(node).await? else { return Ok(None) };
        match info.state.as_str() {
            "error" => Err(FormationError::Failed { node: node.name().to_owned(), reason: info.error }),
            // It is joining, as after a crash of the command before this one.
            "pending" if info.node_id.is_empty() => Ok(None),
            _ => Ok(Some(info)),
        }
    };
    patience.poll(node, "answering", known).await
}

async fn info(node: &Node) -> Result<Option<InfoResponse>, FormationError> {
    let Ok(client) = Client::connect(&node.socket()).await else {
        return match daemon::running(node.roots(), node.name())? {
            Some(_) => Ok(None),
            None => {
                let log = node.log();
                let words = daemon::last_words(&log);
                Err(FormationError::Ended { node: node.name().to_owned(), log, words })
            }
        };
    };
    // One that ends while it is asked is found out at the next look.
    Ok(client.node().info(InfoRequest {}).await.ok().map(tonic::Response::into_inner))
}

fn advertised(node: &Node) -> String {
    format!("{}:{PORT}", node.addr())
}

async fn begin(node: &Node) -> Result<String, FormationError> {
    let client = Client::connect(&node.socket()).await?;
    let request = wire::InitRequest {
        advertise_addr: advertised(node),
        availability: wire::Availability::Active.into(),
        ..Default::default()
    };
    let answer = client.node().init(request).await.map_err(client.refused("begin a cluster"))?;
    Ok(answer.into_inner().node_id)
}

async fn tokens(seed: &Node, patience: Patience) -> Result<JoinTokensResponse, FormationError> {
    let ask = async || {
        let client = Client::connect(&seed.socket()).await?;
        match client.control().get_join_tokens(wire::GetJoinTokensRequest {}).await {
            Ok(tokens) => Ok(Some(tokens.into_inner())),
            // There is no leader at the moment.
            Err(status) if is_passing(&status) => Ok(None),
            Err(status) => Err(client.refused("tell the join tokens")(status).into()),
        }
    };
    patience.poll(seed, "able to tell the join tokens", ask).await
}

async fn join(node: &Node, seed: &Node, token: &str, patience: Patience) -> Result<String, FormationError> {
    let request = wire::SwarmJoinRequest {
        token: token.to_owned(),
        remote_addr: advertised(seed),
        advertise_addr: advertised(node),
        availability: wire::Availability::Active.into(),
        ..Default::default()
    };
    let ask = async || {
        let client = Client::connect(&node.socket()).await?;
        match client.node().join(request.clone()).await {
            Ok(answer) => Ok(Some(answer.into_inner().node_id)),
            // It may have joined although the answer was lost.
            Err(status) if is_passing(&status) => {
                Ok(info(node).await?.map(|info| info.node_id).filter(|id| !id.is_empty()))
            }
            Err(status) => Err(client.refused("join the cluster")(status).into()),
        }
    };
    patience.poll(node, "a member of the cluster", ask).await
}

/// Waits until the managers find a node ready.
async fn ready(node: &Node, seed: &Node, id: &str, patience: Patience) -> Result<(), FormationError> {
    let ask = async || {
        let client = Client::connect(&seed.socket()).await?;
        match client.control().list_nodes(wire::ListNodesRequest {}).await {
            Ok(answer) => {
                let found = answer.into_inner().nodes.into_iter().find(|listed| listed.id == id);
                Ok(found.filter(|listed| is_ready(listed, node.role())).map(drop))
            }
            Err(status) if is_passing(&status) => Ok(None),
            Err(status) => Err(client.refused("list the nodes")(status).into()),
        }
    };
    patience.poll(node, "ready", ask).await
}

fn is_ready(node: &wire::Node, role: Role) -> bool {
    let has_session = node.status.as_ref().is_some_and(|status| status.state() == wire::NodeState::Ready);
    let manages = || node.manager.as_ref().is_some_and(|manager| manager.leader || manager.reachable);
    has_session && (role == Role::Worker || manages())
}

/// Whether asking again may help.
fn is_passing(status: &tonic::Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Aborted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(state: wire::NodeState, manager: Option<wire::ManagerStatus>) -> wire::Node {
        let status = wire::NodeStatus { state: state.into(), ..Default::default() };
        wire::Node { status: Some(status), manager, ..Default::default() }
    }

    #[test]
    fn a_manager_is_ready_once_the_leader_reaches_it() {
        let manager = |reachable| Some(wire::ManagerStatus { reachable, ..Default::default() });
        assert!(is_ready(&node(wire::NodeState::Ready, manager(true)), Role::Manager));
        assert!(!is_ready(&node(wire::NodeState::Ready, manager(false)), Role::Manager));
        assert!(!is_ready(&node(wire::NodeState::Ready, None), Role::Manager));
        assert!(is_ready(&node(wire::NodeState::Ready, None), Role::Worker));
        assert!(!is_ready(&node(wire::NodeState::Down, None), Role::Worker));
    }
}
