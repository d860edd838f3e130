//! The one door to the replicated state: read a snapshot, watch it, propose changes.

use crate::raft::{Batch, Entry, Feed, Member, Raft, RaftId};
use manager_core::state::{Change, Event, Refusal, State, Transaction};
use openraft::error::{ClientWriteError, RaftError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::warn;

/// Changes in one log entry at the most, by their weight, so that no entry becomes too large for a message. A single
/// batch may have more.
const CHANGES_PER_ENTRY: usize = 5_000;
/// Proposals that may wait; further callers wait for room.
const PROPOSALS_WAITING: usize = 1_024;
/// How long a proposal may take. Without a quorum it would take for ever.
const PROPOSAL_TIME_MAX: Duration = Duration::from_secs(10);

/// Says why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProposeError {
    /// The state did not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Another manager leads.
    #[error("this manager does not lead the cluster any more")]
    NotLeader,
    /// It may or may not be made later.
    #[error(
        "the change was not confirmed by a majority of the managers in time; it may still be made: look before trying again"
    )]
    Unconfirmed,
    /// The log can't be written.
    #[error("this manager's log can't be written: {0}")]
    Storage(String),
}

/// A manager's view of the replicated state, and its way to change it. Clones share it.
#[derive(Clone)]
pub struct Store {
    feed: Feed,
    raft: Raft,
    proposals: mpsc::Sender<Proposal>,
    /// The term of the last leadership that is known to have applied everything before it; zero, which
    /// no leadership has, at first.
    settled_term: Arc<AtomicU64>,
}

struct Proposal {
    batch: Batch,
    answer: oneshot::Sender<Result<u64, ProposeError>>,
}

impl Store {
    /// The store over a running consensus group. The task that writes proposals ends with the last clone.
    pub fn new(feed: Feed, raft: Raft) -> Self {
        let (proposals, waiting) = mpsc::channel(PROPOSALS_WAITING);
        tokio::spawn(write_proposals(raft.clone(), waiting));
        Self { feed, raft, proposals, settled_term: Arc::default() }
    }

    /// The state as this manager knows it.
    pub fn snapshot(&self) -> State {
        self.feed.snapshot()
    }

    /// The state now and whenever it changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.feed.watch()
    }

    /// What changes from now on.
    pub fn events(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.feed.events()
    }

    /// The state with every change that was acknowledged before the call. Only the leader has it.
    pub async fn current(&self) -> Result<State, ProposeError> {
        self.settle().await?;
        match tokio::time::timeout(PROPOSAL_TIME_MAX, self.raft.ensure_linearizable()).await {
            Ok(Ok(_)) => Ok(self.snapshot()),
            Ok(Err(RaftError::Fatal(fatal))) => Err(ProposeError::Storage(fatal.to_string())),
            Ok(Err(RaftError::APIError(_))) => Err(ProposeError::NotLeader),
            Err(_) => Err(ProposeError::Unconfirmed),
        }
    }

    /// Makes sure that this leadership has applied all that earlier ones acknowledged.
    ///
    /// openraft lets a manager that led, and whose process was started anew, lead on in the same term.
    /// It then counts as committed only what it remembers to be, which may be less than what clients
    /// were told, and its linearizable reads answer from that. An entry written now comes after all
    /// of it, so once it is applied the rest is too.
    pub async fn settle(&self) -> Result<(), ProposeError> {
        let term = self.raft.server_metrics().borrow().vote.leader_id().term;
        if self.settled_term.load(Ordering::Acquire) != term {
            self.propose_all(Batch::new()).await?;
            self.settled_term.store(term, Ordering::Release);
        }
        Ok(())
    }

    /// Makes changes, all or none; answers with the state's version after them once a majority of
    /// the managers has them on disk.
    pub async fn propose(&self, transaction: Transaction) -> Result<u64, ProposeError> {
        self.propose_all(vec![transaction]).await
    }

    /// Makes several transactions in order, up to the first that is refused.
    pub async fn propose_all(&self, batch: Batch) -> Result<u64, ProposeError> {
        let (answer, answered) = oneshot::channel();
        let stopping = || ProposeError::Storage("the manager is stopping".to_owned());
        self.proposals.send(Proposal { batch, answer }).await.map_err(|_| stopping())?;
        match tokio::time::timeout(PROPOSAL_TIME_MAX, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(stopping()),
            Err(_) => Err(ProposeError::Unconfirmed),
        }
    }
}

/// Writes proposals to the log. While one entry is on its way to the disks, the proposals that come
/// are gathered and go into the next entry together: one sync serves them all.
async fn write_proposals(raft: Raft, mut waiting: mpsc::Receiver<Proposal>) {
    let mut proposals = Vec::new();
    while let Some(first) = waiting.recv().await {
        let mut changes = size(&first);
        proposals.push(first);
        while changes < CHANGES_PER_ENTRY {
            let Ok(next) = waiting.try_recv() else { break };
            changes += size(&next);
            proposals.push(next);
        }
        write(&raft, std::mem::take(&mut proposals)).await;
    }
}

fn size(proposal: &Proposal) -> usize {
    proposal.batch.iter().flat_map(|transaction| &transaction.changes).map(Change::weight).sum()
}

async fn write(raft: &Raft, proposals: Vec<Proposal>) {
    let (batches, answers): (Vec<_>, Vec<_>) =
        proposals.into_iter().map(|proposal| (proposal.batch, proposal.answer)).unzip();
    match raft.client_write(Entry { batches }).await.map_err(refusal) {
        Ok(response) => {
            for (answer, result) in answers.into_iter().zip(response.data) {
                // Whoever asked may have given up waiting.
                let _ = answer.send(result.map_err(ProposeError::Refused));
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

type WriteError = RaftError<RaftId, ClientWriteError<RaftId, Member>>;

fn refusal(error: WriteError) -> ProposeError {
    match error {
        RaftError::APIError(_) => ProposeError::NotLeader,
        RaftError::Fatal(fatal) => {
            warn!(error = %fatal, "the consensus group has stopped on this manager");
            ProposeError::Storage(fatal.to_string())
        }
    }
}
