//! What runs only while this manager leads: the decisions, and the changes of the managers' group.

use crate::{
    clock::{Clock, RandomIds},
    dispatcher::Hub,
    leadership::Leadership,
    membership::Membership,
    raft::Raft,
    store::{ProposeError, Store},
};
use manager_core::{liveness::Liveness, reconcile};
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::timeout};
use tracing::{Instrument, debug, error, info, info_span, warn};

/// After a decision was refused because something changed at the same moment, the change itself
/// wakes the loop; this is for the case that it has already been seen.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Before a change of the group that failed is tried again.
const DEMOTE_PAUSE: Duration = Duration::from_secs(1);
/// The longest the loop sleeps without being woken.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// How long a leader whose decisions have died waits for another one: several elections' time.
const STEP_DOWN_TIME: Duration = Duration::from_secs(5);

/// Runs the decisions whenever this manager leads.
pub struct LeaderLoop {
    /// The consensus group.
    pub raft: Raft,
    /// The state.
    pub store: Store,
    /// Who leads.
    pub leadership: Leadership,
    /// The agents' sessions.
    pub hub: Hub,
    /// The managers' group.
    pub membership: Membership,
    /// The leader's clock.
    pub clock: Clock,
}

impl LeaderLoop {
    /// Waits for leadership, decides while it lasts, and begins anew; for ever.
    pub async fn run(self) {
        let this = Arc::new(self);
        let mut term = None;
        loop {
            this.leadership.my_term_changed(term).await;
            term = this.leadership.my_term();
            // Sessions and contacts belong to a leadership.
            this.hub.clear();
            let Some(number) = term else { continue };
            info!(term = number, "this manager leads the cluster");
            // A task of its own, so that this one outlives its panic.
            let mut leading = JoinSet::new();
            leading.spawn(this.clone().lead().instrument(info_span!("leader", term = number)));
            tokio::select! {
                ended = leading.join_next() => {
                    error!(?ended, "the leader's decisions have died: another manager should lead");
                    this.step_down(term).await;
                    // A group that has nobody else decides anew here.
                    term = None;
                }
                // Nothing is lost by stopping in the middle: what a decision needs is in the state.
                () = this.leadership.my_term_changed(term) => info!("this manager does not lead any more"),
            }
            leading.shutdown().await;
        }
    }

    /// Sends no heartbeats for a while, so that the other managers elect one of themselves.
    async fn step_down(&self, term: Option<u64>) {
        self.raft.runtime_config().heartbeat(false);
        let replaced = timeout(STEP_DOWN_TIME, self.leadership.my_term_changed(term)).await.is_ok();
        self.raft.runtime_config().heartbeat(true);
        info!(replaced, "stepped down");
    }

    async fn lead(self: Arc<Self>) {
        // The log may hold entries of earlier leaders that are not applied here yet.
        while let Err(error) = self.store.current().await {
            debug!(%error, "the state is not up to date yet");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        tokio::join!(self.decide_always(), self.let_demoted_go_always());
    }

    async fn decide_always(&self) {
        let since = self.clock.now();
        let mut states = self.store.watch();
        loop {
            let state = states.borrow_and_update().clone();
            let now = self.clock.now();
            let liveness = Liveness { leader_since: since, contacts: self.hub.contacts() };
            let decision = reconcile::pass(&state, now, &mut RandomIds, &liveness);
            let refused = self.propose(decision.transactions).await;
            let wake_at = decision.wake_at.map_or(SLEEP_MAX, |at| at.since(self.clock.now()));
            let sleep = if refused { RETRY_PAUSE } else { wake_at.min(SLEEP_MAX) };
            tokio::select! {
                // All three only say "look again", so none of them can be missed by being cancelled.
                changed = states.changed() => if changed.is_err() { return },
                () = self.hub.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Beside the decisions, because a change of the group may wait long for a manager to catch up.
    async fn let_demoted_go_always(&self) {
        let mut states = self.store.watch();
        loop {
            states.mark_unchanged();
            if let Err(error) = self.membership.let_demoted_go().await {
                warn!(%error, "a demoted manager is still in the group");
                tokio::time::sleep(DEMOTE_PAUSE).await;
                continue;
            }
            if states.changed().await.is_err() {
                return;
            }
        }
    }

    /// Proposes a plan; says whether it was refused, so that it is made anew.
    async fn propose(&self, transactions: Vec<manager_core::state::Transaction>) -> bool {
        if transactions.is_empty() {
            return false;
        }
        let changes: usize = transactions.iter().map(|transaction| transaction.changes.len()).sum();
        match self.store.propose_all(transactions).await {
            Ok(version) => {
                debug!(changes, version, "plan committed");
                false
            }
            Err(ProposeError::Refused(refusal)) => {
                debug!(changes, %refusal, "plan was stale");
                true
            }
            Err(error) => {
                warn!(changes, %error, "plan not committed");
                true
            }
        }
    }
}
