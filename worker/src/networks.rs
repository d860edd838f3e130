//! The networks this node takes part in: what the managers tell of them is carried into the kernel.
//!
//! ```text
//! session --take--> known --follow--> kernel --> carried out --> tasks that wait for a network
//!                     |'------------> name servers of containers
//!          ledger <---'
//! ```

use crate::{
    chain::Chain,
    executor::blocking,
    ledger::Ledger,
    network_kernel::Kernel,
    network_states::{NetworkStates, Progress, Usable},
};
use proto::model::{NetworkId, NetworkTable, Task};
use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use worker_core::{
    acknowledgement,
    known::Known,
    tables::{Row, Tables, Told, UnknownNetwork},
};

/// How long after a fault it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a task waits for a network that fails or was not told, before it fails itself: several tries.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long changes are gathered before they are written down: tasks that start together are one write.
const GATHER: Duration = Duration::from_millis(200);

/// What the managers told, and how much of it is carried out. What they told before a restart is in the ledger; what they
/// tell again is carried out where it is different.
#[derive(Debug)]
pub(crate) struct Networks {
    known: watch::Sender<Known>,
    carried_out: watch::Sender<acknowledgement::Progress>,
    /// What is not in the ledger yet.
    unsaved: Mutex<BTreeSet<Row>>,
    states: NetworkStates,
    retry: Duration,
    patience: Duration,
}

impl Default for Networks {
    fn default() -> Self {
        Self::recovered(None)
    }
}

/// Says why a task's network can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetworkFault {
    #[error("network `{name}` can't be set up on this node: {reason}")]
    SetUp { name: String, reason: String },
    #[error(
        "the managers have not told this node of the task's network {0}; if it still exists, \
        `shoal service update --force` has the task made anew"
    )]
    Untold(NetworkId),
}

impl Networks {
    /// Begins with what the ledger has.
    pub(crate) fn recovered(tables: Option<Tables>) -> Self {
        Self {
            known: watch::Sender::new(Known::recovered(tables)),
            carried_out: watch::Sender::default(),
            unsaved: Mutex::default(),
            states: NetworkStates::default(),
            retry: RETRY,
            patience: PATIENCE,
        }
    }

    /// Takes in what the managers told, at the cost of what is new, and returns which edition it leads to.
    pub(crate) fn take(&self, told: Told) -> Result<u64, UnknownNetwork> {
        let mut taken = Ok(0);
        self.known.send_if_modified(|known| match known.take(told) {
            Ok(rows) => {
                let is_new = rows.is_some();
                self.unsaved().extend(rows.into_iter().flatten());
                taken = Ok(known.edition());
                is_new
            }
            Err(unknown) => {
                taken = Err(unknown);
                false
            }
        });
        taken
    }

    /// What is known now and whenever it changes.
    pub(crate) fn known(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// How far the kernel is, now and whenever that changes.
    pub(crate) fn carried_out(&self) -> watch::Receiver<acknowledgement::Progress> {
        self.carried_out.subscribe()
    }

    /// Whether other tasks of a task's service get connections, so that it need not.
    pub(crate) fn is_served_besides(&self, task: &Task) -> bool {
        self.known.borrow().tables().is_served_besides(task)
    }

    /// Writes down what the managers tell, soon after they do, until it is stopped; then the rest. While the disk fails
    /// only a daemon that starts anew would notice: it would know what was written before.
    pub(crate) async fn keep(&self, ledger: &Ledger, stop: &CancellationToken) {
        let mut known = self.known.subscribe();
        known.mark_changed();
        while !stop.is_cancelled() {
            tokio::select! {
                // Fails only when the sender is gone, which `self` holds.
                _ = known.changed() => drop(stop.run_until_cancelled(sleep(GATHER)).await),
                () = stop.cancelled() => {}
            }
            known.mark_unchanged();
            self.save(ledger).await;
        }
    }

    async fn save(&self, ledger: &Ledger) {
        // In this order what is told in between is written, perhaps twice.
        let rows = mem::take(&mut *self.unsaved());
        let known = self.known.borrow().clone();
        // What is from the ledger is there already.
        if !known.is_all() {
            return;
        }
        let (ledger, saved) = (ledger.clone(), rows.clone());
        if let Err(error) = blocking(move || ledger.keep_networks(saved, known.tables())).await {
            warn!(error = %Chain(&error), "what the managers told of networks could not be written down");
            self.unsaved().extend(rows);
        }
    }

    /// What the managers told, and how far each network is.
    pub(crate) fn told(&self) -> Vec<(Arc<NetworkTable>, Progress)> {
        let known = self.known.borrow().clone();
        let progress =
            |(id, table): (NetworkId, &Arc<NetworkTable>)| (table.clone(), self.states.progress(id, table));
        known.tables().iter().map(progress).collect()
    }

    /// Waits until a network can be used, and returns what is carried out of it. While the managers are
    /// away after a restart this takes as long as they do; a fault has to last for a while to count.
    pub(crate) async fn ready(&self, id: NetworkId) -> Result<Arc<NetworkTable>, NetworkFault> {
        let may_be_ready = |known: &Known| known.is_all() || known.get(id).is_some();
        // Waiting fails only when the senders are gone, which `self` holds.
        drop(self.known.subscribe().wait_for(may_be_ready).await);
        loop {
            match self.states.usable(id, self.patience).await {
                Usable::Yes(table) => return Ok(table),
                Usable::No(table, reason) => {
                    return Err(NetworkFault::SetUp { name: table.info.name.to_string(), reason });
                }
                Usable::NotYet if self.wanted(id).is_none() => return Err(NetworkFault::Untold(id)),
                // Others are carried out before it.
                Usable::NotYet => {}
            }
        }
    }

    /// Carries out what is told, as it is told, until it is stopped between two networks.
    pub(crate) async fn follow(&self, kernel: &impl Kernel, stop: &CancellationToken) {
        let mut known = self.known.subscribe();
        while !stop.is_cancelled() {
            let wanted = known.borrow_and_update().clone();
            let retry = self.carry_out(&wanted, kernel, stop).await;
            let lacking = self.states.lacking(wanted.tables());
            let progress = acknowledgement::Progress { edition: wanted.edition(), lacking };
            self.carried_out.send_if_modified(|before| mem::replace(before, progress) != *before);
            tokio::select! {
                // Fails only when the sender is gone, which `self` holds.
                _ = known.changed() => {}
                () = sleep(self.retry), if retry => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Carries out what is known; says whether something is to be tried again. What goes goes first: a new network may
    /// have got its number on the wire.
    async fn carry_out(&self, wanted: &Known, kernel: &impl Kernel, stop: &CancellationToken) -> bool {
        // From here on tasks wait for a network that goes, even if it is told again meanwhile.
        self.states.retain(wanted.tables());
        let mut failed = false;
        // What the managers told last may be missing in the ledger, and have containers.
        let goes = |id: &NetworkId| wanted.is_all() && wanted.get(*id).is_none();
        for id in kernel.list().into_iter().filter(goes) {
            // One that was told again meanwhile may have a task in it that came before the line above.
            if stop.is_cancelled() || self.wanted(id).is_some() {
                continue;
            }
            match kernel.remove(id).await {
                Ok(()) => debug!(network = %id, "network removed"),
                Err(error) => {
                    failed = true;
                    warn!(network = %id, error = %Chain(&error), "network could not be removed");
                }
            }
        }
        for (id, table) in wanted.tables().iter() {
            if !self.states.is_done(id, table) && !stop.is_cancelled() {
                failed |= !self.states.note(id, table, kernel.apply(table).await);
            }
        }
        failed
    }

    /// What the managers want of a network now.
    fn wanted(&self, id: NetworkId) -> Option<Arc<NetworkTable>> {
        self.known.borrow().get(id).cloned()
    }

    fn unsaved(&self) -> MutexGuard<'_, BTreeSet<Row>> {
        // Every change is complete before anything can panic.
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
