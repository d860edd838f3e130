//! The networks this node takes part in: what the managers tell of them is carried into the kernel.
//!
//! ```text
//! session --take--> tables --follow--> overlays --> carried out --> tasks that wait for a network
//!                      '-----------> name servers of containers
//! ```

use crate::chain::Chain;
use proto::model::{NetworkId, NetworkTable};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};
use tracing::{debug, warn};
use worker_core::{
    dns::Zone,
    tables::{Tables, Told, UnknownNetwork},
};
use worker_network::Overlays;

/// How long after a fault it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the managers told, and how much of it is carried out. Tables that were told before a restart
/// are told again; until then the kernel keeps what it has.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    /// `None` until the managers have told something since the daemon started.
    tables: watch::Sender<Option<Tables>>,
    zones: watch::Sender<Zones>,
    state: watch::Sender<BTreeMap<NetworkId, State>>,
}

/// The names of every network.
pub(crate) type Zones = BTreeMap<NetworkId, Zone>;

/// How far a network is.
#[derive(Debug, Clone)]
enum State {
    /// The kernel holds this.
    CarriedOut(Arc<NetworkTable>),
    /// This could not be carried out, and why.
    Failed(Arc<NetworkTable>, String),
}

/// Says why a task's network can't be used.
#[derive(Debug, thiserror::Error)]
#[error("network `{name}` can't be set up on this node: {reason}")]
pub(crate) struct NetworkFault {
    name: String,
    reason: String,
}

impl Networks {
    /// Takes in what the managers told.
    pub(crate) fn take(&self, told: Told) -> Result<(), UnknownNetwork> {
        let known = self.tables.borrow().clone();
        let mut tables = known.clone().unwrap_or_default();
        tables.take(told.clone())?;
        if known.as_ref() != Some(&tables) {
            self.zones.send_modify(|zones| name(zones, &tables, &told));
            self.tables.send_replace(Some(tables));
        }
        Ok(())
    }

    /// The names now and whenever they change.
    pub(crate) fn zones(&self) -> watch::Receiver<Zones> {
        self.zones.subscribe()
    }

    /// Whether there is no way out of a network; not known before it was told.
    pub(crate) fn is_internal(&self, id: NetworkId) -> Option<bool> {
        self.tables.borrow().as_ref()?.get(id).map(|table| table.info.internal)
    }

    /// Waits until a network can be used.
    pub(crate) async fn ready(&self, id: NetworkId) -> Result<(), NetworkFault> {
        let mut state = self.state.subscribe();
        // An error means that the node's networks are gone, which they are only when the daemon ends.
        let Ok(state) = state.wait_for(|state| state.contains_key(&id)).await else {
            return std::future::pending().await;
        };
        match state.get(&id) {
            Some(State::Failed(table, reason)) => {
                Err(NetworkFault { name: table.info.name.to_string(), reason: reason.clone() })
            }
            Some(State::CarriedOut(_)) | None => Ok(()),
        }
    }

    /// Carries out what is told, as it is told, for ever.
    pub(crate) async fn follow(&self, overlays: &Overlays) {
        let mut tables = self.tables.subscribe();
        loop {
            let wanted = tables.borrow_and_update().clone();
            let retry = match wanted {
                Some(wanted) => self.carry_out(&wanted, overlays).await,
                None => false,
            };
            tokio::select! {
                changed = tables.changed() => if changed.is_err() { return },
                () = sleep(RETRY), if retry => {}
            }
        }
    }

    /// Carries tables out; says whether something failed.
    async fn carry_out(&self, wanted: &Tables, overlays: &Overlays) -> bool {
        let mut failed = false;
        for (id, table) in wanted.iter() {
            if matches!(self.state.borrow().get(&id), Some(State::CarriedOut(done)) if done == table) {
                continue;
            }
            let state = match overlays.apply(table).await {
                Ok(_) => State::CarriedOut(table.clone()),
                Err(error) => {
                    failed = true;
                    let reason = Chain(&error).to_string();
                    warn!(network = %table.info.name, error = reason, "network could not be carried out");
                    State::Failed(table.clone(), reason)
                }
            };
            self.state.send_modify(|known| drop(known.insert(id, state)));
        }
        // Among them are those that an earlier daemon left.
        for id in overlays.list().into_iter().filter(|id| wanted.get(*id).is_none()) {
            match overlays.remove(id).await {
                Ok(()) => {
                    debug!(network = %id, "network removed");
                    self.state.send_modify(|known| drop(known.remove(&id)));
                }
                Err(error) => {
                    failed = true;
                    warn!(network = %id, error = %Chain(&error), "network could not be removed");
                }
            }
        }
        failed
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
