//! The networks this node takes part in: what the managers tell of them is carried into the kernel.
//!
//! ```text
//! session --take--> tables --follow--> kernel --> carried out --> tasks that wait for a network
//!                      '-----------> name servers of containers
//! ```

use crate::{
    chain::Chain,
    network_kernel::{Extent, Kernel},
};
use proto::model::{NetworkId, NetworkTable, Task};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use worker_core::{
    dns::Zone,
    tables::{Tables, Told, UnknownNetwork},
};

/// How long after a fault it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a task waits for a network that fails or was not told, before it fails itself: several tries.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the managers told, and how much of it is carried out. Tables that were told before a restart
/// are told again; until then the kernel keeps what it has.
#[derive(Debug)]
pub(crate) struct Networks {
    /// `None` until the managers have told something since the daemon started.
    tables: watch::Sender<Option<Tables>>,
    /// Grows with everything that is told.
    edition: AtomicU64,
    /// The edition that is carried out, with all before it.
    carried_out: watch::Sender<u64>,
    zones: watch::Sender<Option<Zones>>,
    state: watch::Sender<BTreeMap<NetworkId, State>>,
    retry: Duration,
    patience: Duration,
}

impl Default for Networks {
    fn default() -> Self {
        Self::new(RETRY, PATIENCE)
    }
}

/// The names of every network.
pub(crate) type Zones = BTreeMap<NetworkId, Zone>;

/// How far a network is.
#[derive(Debug, Clone)]
enum State {
    /// The kernel holds this.
    CarriedOut(Arc<NetworkTable>),
    /// The kernel holds this but for published ports that programs of the node have.
    Partly(Arc<NetworkTable>),
    /// This could not be carried out, and why.
    Failed(Arc<NetworkTable>, String),
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
    fn new(retry: Duration, patience: Duration) -> Self {
        let (tables, edition, carried_out, zones, state) = Default::default();
        Self { tables, edition, carried_out, zones, state, retry, patience }
    }

    /// Takes in what the managers told, and returns which edition it leads to. Calls must follow each other.
    pub(crate) fn take(&self, told: Told) -> Result<u64, UnknownNetwork> {
        let known = self.tables.borrow().clone();
        let mut tables = known.clone().unwrap_or_default();
        tables.take(told.clone())?;
        if known.as_ref() != Some(&tables) {
            self.zones.send_modify(|zones| name(zones.get_or_insert_default(), &tables, &told));
            // Whoever finds the edition finds tables that are as new at least.
            self.tables.send_replace(Some(tables));
            self.edition.fetch_add(1, Ordering::SeqCst);
        }
        Ok(self.edition.load(Ordering::SeqCst))
    }

    /// The edition that is carried out, now and whenever it grows.
    pub(crate) fn carried_out(&self) -> watch::Receiver<u64> {
        self.carried_out.subscribe()
    }

    /// Whether other tasks of a task's service get connections, so that it need not.
    pub(crate) fn is_served_besides(&self, task: &Task) -> bool {
        self.tables.borrow().as_ref().is_some_and(|tables| tables.is_served_besides(task))
    }

    /// The names now and whenever they change; `None` until the managers have told them.
    pub(crate) fn zones(&self) -> watch::Receiver<Option<Zones>> {
        self.zones.subscribe()
    }

    /// Waits until a network can be used, and returns what is carried out of it. While the managers are
    /// away after a restart this takes as long as they do; a fault has to last for a while to count.
    pub(crate) async fn ready(&self, id: NetworkId) -> Result<Arc<NetworkTable>, NetworkFault> {
        // Waiting fails only when the senders are gone, which `self` holds.
        let _ = self.tables.subscribe().wait_for(Option::is_some).await;
        let mut state = self.state.subscribe();
        loop {
            let is_ready = |state: &BTreeMap<_, _>| {
                matches!(state.get(&id), Some(State::CarriedOut(_) | State::Partly(_)))
            };
            // Its outcome is looked up below. Read guards must not live on until the next wait.
            drop(timeout(self.patience, state.wait_for(is_ready)).await);
            match state.borrow().get(&id) {
                Some(State::CarriedOut(table) | State::Partly(table)) => return Ok(table.clone()),
                Some(State::Failed(table, reason)) => {
                    return Err(NetworkFault::SetUp {
                        name: table.info.name.to_string(),
                        reason: reason.clone(),
                    });
                }
                None if self.wanted(id).is_none() => return Err(NetworkFault::Untold(id)),
                // Others are carried out before it.
                None => {}
            }
        }
    }

    /// Carries out what is told, as it is told, until it is stopped between two networks.
    pub(crate) async fn follow(&self, kernel: &impl Kernel, stop: &CancellationToken) {
        let mut tables = self.tables.subscribe();
        while !stop.is_cancelled() {
            let edition = self.edition.load(Ordering::SeqCst);
            let wanted = tables.borrow_and_update().clone();
            let retry = match wanted {
                Some(wanted) => {
                    let retry = self.carry_out(&wanted, kernel, stop).await;
                    if self.holds(&wanted) {
                        self.carried_out.send_replace(edition);
                    }
                    retry
                }
                None => false,
            };
            tokio::select! {
                // Fails only when the sender is gone, which `self` holds.
                _ = tables.changed() => {}
                () = sleep(self.retry), if retry => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Carries tables out; says whether something is to be tried again. What goes goes first: a new network may have
    /// got its number on the wire.
    async fn carry_out(&self, wanted: &Tables, kernel: &impl Kernel, stop: &CancellationToken) -> bool {
        // From here on tasks wait for a network that goes, even if it is told again meanwhile.
        self.state.send_modify(|state| state.retain(|id, _| wanted.get(*id).is_some()));
        let mut failed = false;
        for id in kernel.list().into_iter().filter(|id| wanted.get(*id).is_none()) {
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
        for (id, table) in wanted.iter() {
            let is_done =
                matches!(self.state.borrow().get(&id), Some(State::CarriedOut(done)) if done == table);
            if !is_done && !stop.is_cancelled() {
                failed |= !self.carry_out_one(id, table, kernel).await;
            }
        }
        failed
    }

    /// Carries one table out; says whether all of it is.
    async fn carry_out_one(&self, id: NetworkId, table: &Arc<NetworkTable>, kernel: &impl Kernel) -> bool {
        let state = match kernel.apply(table).await {
            Ok(Extent::Whole) => State::CarriedOut(table.clone()),
            Ok(Extent::ButPorts) => State::Partly(table.clone()),
            Err(error) => {
                let reason = Chain(&error).to_string();
                // It is tried every second, and people want to read of it once.
                if !matches!(self.state.borrow().get(&id), Some(State::Failed(_, known)) if *known == reason)
                {
                    warn!(network = %table.info.name, error = reason, "network could not be carried out");
                }
                State::Failed(table.clone(), reason)
            }
        };
        let is_done = matches!(state, State::CarriedOut(_));
        self.state.send_modify(|known| drop(known.insert(id, state)));
        is_done
    }

    /// Whether all networks are carried out as these tables have them.
    fn holds(&self, wanted: &Tables) -> bool {
        let state = self.state.borrow();
        wanted.iter().all(|(id, table)| match state.get(&id) {
            Some(State::CarriedOut(done) | State::Partly(done)) => done == table,
            Some(State::Failed(..)) | None => false,
        })
    }

    /// What the managers want of a network now.
    fn wanted(&self, id: NetworkId) -> Option<Arc<NetworkTable>> {
        self.tables.borrow().as_ref()?.get(id).cloned()
    }
}

/// Takes into the names what was told, at the cost of what is new.
fn name(zones: &mut Zones, tables: &Tables, told: &Told) {
    zones.retain(|id, _| tables.get(*id).is_some());
    for update in &told.updates {
        match (zones.get_mut(&update.info.id), tables.get(update.info.id)) {
            (Some(zone), _) => zone.apply(update),
            (None, Some(table)) => drop(zones.insert(update.info.id, Zone::new(table))),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
