//! How far each network is carried out on this node.

use crate::{
    chain::Chain,
    network_kernel::{Extent, KernelError},
};
use proto::model::{NetworkId, NetworkTable};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use tracing::warn;
use worker_core::tables::Tables;

/// How far each is.
#[derive(Debug, Default)]
pub(crate) struct NetworkStates(watch::Sender<BTreeMap<NetworkId, State>>);

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

/// How far what the managers told of a network is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of it.
    Done,
    /// All but published ports that programs of the node have.
    ButPorts,
    /// It can't be, and why.
    Failed(String),
    /// It is about to be.
    Pending,
}

/// Whether tasks can use a network.
#[derive(Debug, Clone)]
pub(crate) enum Usable {
    /// They can, as far as this is carried out.
    Yes(Arc<NetworkTable>),
    /// They can't: this failed, and why.
    No(Arc<NetworkTable>, String),
    /// It was not tried yet.
    NotYet,
}

impl NetworkStates {
    /// Forgets the networks that are not wanted any more.
    pub(crate) fn retain(&self, wanted: &Tables) {
        self.0.send_modify(|states| states.retain(|id, _| wanted.get(*id).is_some()));
    }

    /// Whether all of a table is carried out. One that says the same is the same one.
    pub(crate) fn is_done(&self, id: NetworkId, table: &Arc<NetworkTable>) -> bool {
        matches!(self.0.borrow().get(&id), Some(State::CarriedOut(done)) if Arc::ptr_eq(done, table))
    }

    /// Notes what came of carrying out a table; says whether all of it is.
    pub(crate) fn note(
        &self,
        id: NetworkId,
        table: &Arc<NetworkTable>,
        result: Result<Extent, KernelError>,
    ) -> bool {
        let state = match result {
            Ok(Extent::Whole) => State::CarriedOut(table.clone()),
            Ok(Extent::ButPorts) => State::Partly(table.clone()),
            Err(error) => {
                let reason = Chain(&error).to_string();
                // It is tried every second, and people want to read of it once.
                if !matches!(self.0.borrow().get(&id), Some(State::Failed(_, known)) if *known == reason) {
                    warn!(network = %table.info.name, error = reason, "network could not be carried out");
                }
                State::Failed(table.clone(), reason)
            }
        };
        let is_done = matches!(state, State::CarriedOut(_));
        self.0.send_modify(|states| drop(states.insert(id, state)));
        is_done
    }

    /// The networks that are not carried out as these tables have them. That a program of the node has a port makes no
    /// difference to who else is balanced to.
    pub(crate) fn lacking(&self, wanted: &Tables) -> BTreeSet<NetworkId> {
        let states = self.0.borrow();
        let is_lacking = |id, table| match states.get(&id) {
            Some(State::CarriedOut(done) | State::Partly(done)) => !Arc::ptr_eq(done, table),
            Some(State::Failed(..)) | None => true,
        };
        wanted.iter().filter(|&(id, table)| is_lacking(id, table)).map(|(id, _)| id).collect()
    }

    /// How far a table is carried out.
    pub(crate) fn progress(&self, id: NetworkId, told: &Arc<NetworkTable>) -> Progress {
        match self.0.borrow().get(&id) {
            Some(State::CarriedOut(table)) if table == told => Progress::Done,
            Some(State::Partly(table)) if table == told => Progress::ButPorts,
            Some(State::Failed(table, reason)) if table == told => Progress::Failed(reason.clone()),
            _ => Progress::Pending,
        }
    }

    /// Whether tasks can use a network; waits for a while until they can.
    pub(crate) async fn usable(&self, id: NetworkId, patience: Duration) -> Usable {
        let is_usable = |states: &BTreeMap<_, _>| {
            matches!(states.get(&id), Some(State::CarriedOut(_) | State::Partly(_)))
        };
        let mut states = self.0.subscribe();
        // What came of it is looked up below. Read guards must not live on until the next wait.
        drop(timeout(patience, states.wait_for(is_usable)).await);
        match states.borrow().get(&id) {
            Some(State::CarriedOut(table) | State::Partly(table)) => Usable::Yes(table.clone()),
            Some(State::Failed(table, reason)) => Usable::No(table.clone(), reason.clone()),
            None => Usable::NotYet,
        }
    }

    /// Whether nothing was carried out or tried.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}
