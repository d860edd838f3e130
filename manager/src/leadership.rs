//! Who leads the cluster at present, as seen from this manager.

use crate::raft::{AddressBook, Contacts, Member, Network, Raft, RaftId};
use manager_core::state::State;
use openraft::{ServerState, metrics::RaftServerMetrics};
use pki::{Credentials, Peer};
use proto::model::{Node, NodeId};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tonic::{Status, transport::Channel};

/// A manager that has not answered for this long counts as unreachable.
const REACHABLE_TIME: Duration = Duration::from_secs(3);

/// The cluster's leader.
#[derive(Debug, Clone)]
pub enum Leader {
    /// This manager.
    Me,
    /// Another one.
    Other {
        /// It.
        member: Member,
        /// A channel to it.
        channel: Channel,
    },
}

/// Follows who leads. Clones share what they know.
#[derive(Clone)]
pub struct Leadership {
    raft: Raft,
    me: RaftId,
    addresses: AddressBook,
    credentials: Credentials,
    contacts: Contacts,
    /// The channel to the last leader, kept so that calls share one connection.
    channel: Arc<Mutex<Option<(Member, Channel)>>>,
}

impl Leadership {
    /// Follows the group of this manager.
    pub fn new(raft: Raft, me: RaftId, network: &Network) -> Self {
        let Network { credentials, addresses, contacts, .. } = network.clone();
        Self { raft, me, addresses, credentials, contacts, channel: Arc::default() }
    }

    /// The leader's number, if there is a leader.
    pub fn leader_id(&self) -> Option<RaftId> {
        self.raft.server_metrics().borrow().current_leader
    }

    /// The term of this manager's leadership; `None` while another one leads. Each new term is a
    /// new leadership, even if the same manager wins it again.
    pub fn my_term(&self) -> Option<u64> {
        my_term(&self.raft.server_metrics().borrow())
    }

    /// Waits until [`Leadership::my_term`] is something else.
    pub async fn my_term_changed(&self, from: Option<u64>) {
        let mut metrics = self.raft.server_metrics();
        // An error means that the group has stopped: then nothing changes any more.
        if metrics.wait_for(|metrics| my_term(metrics) != from).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a manager can be reached from this one, which it always can itself.
    pub fn is_reachable(&self, id: RaftId) -> bool {
        id == self.me || self.contacts.within(id, REACHABLE_TIME)
    }

    /// The managers that can be reached.
    pub fn reachable(&self, state: &State) -> BTreeSet<NodeId> {
        let reachable =
            |node: &&Arc<Node>| node.manager.as_ref().is_some_and(|it| self.is_reachable(it.raft_id));
        state.nodes().filter(reachable).map(|node| node.id).collect()
    }

    /// The leader, waiting for an election to end.
    pub async fn wait_for_leader(&self, longest: Duration) -> Result<Leader, Status> {
        let mut metrics = self.raft.server_metrics();
        let known = metrics.wait_for(|metrics| self.leader_of(metrics).is_some());
        let leader = match tokio::time::timeout(longest, known).await {
            Ok(Ok(metrics)) => self.leader_of(&metrics),
            Ok(Err(_)) => return Err(Status::unavailable("this manager is stopping")),
            Err(_) => None,
        };
        let Some((id, member)) = leader else { return Err(self.no_leader()) };
        if id == self.me {
            return Ok(Leader::Me);
        }
        let channel = self.channel_to(&member)?;
        Ok(Leader::Other { member, channel })
    }

    fn leader_of(&self, metrics: &RaftServerMetrics<RaftId, Member>) -> Option<(RaftId, Member)> {
        let id = metrics.current_leader?;
        // openraft names itself as leader a moment before it may act as one.
        if id == self.me && metrics.state != ServerState::Leader {
            return None;
        }
        let of_membership = || metrics.membership_config.membership().get_node(&id).cloned();
        Some((id, self.addresses.find(id).or_else(of_membership)?))
    }

    fn channel_to(&self, member: &Member) -> Result<Channel, Status> {
        // A panic elsewhere can't have left the pair half written.
        let mut kept = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, channel)) = kept.as_ref()
            && of == member
        {
            return Ok(channel.clone());
        }
        let channel = pki::channel(&member.addr, Peer::Node(member.node), &self.credentials)
            .map_err(|error| Status::unavailable(format!("the cluster's leader can't be called: {error}")))?;
        *kept = Some((member.clone(), channel.clone()));
        Ok(channel)
    }

    fn no_leader(&self) -> Status {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow();
        let voters = metrics.membership_config.membership().voter_ids().count();
        Status::unavailable(format!(
            "the cluster has no leader: {} of its {voters} managers must be running and reach each other. Start the \
             missing managers or mend the network between them; services keep running meanwhile",
            voters / 2 + 1
        ))
    }
}

fn my_term(metrics: &RaftServerMetrics<RaftId, Member>) -> Option<u64> {
    (metrics.state == ServerState::Leader).then_some(metrics.vote.leader_id().term)
}
