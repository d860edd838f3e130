//! A task that others can stand in for is not told to stop while a node that is up sends connections to it,
//! unless that node was waited for in vain.

use super::{Broken, Kept, named};
use crate::sim::hosts::Host;
use manager_core::{assignments::Assignments, drains::PATIENCE, networks::Tables, state::State};
use proto::model::{DesiredState, NetworkId, NodeState, Task, TaskId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Since when leaders know of tasks that they drain.
#[derive(Debug, Default)]
pub struct Draining {
    /// By the leader's term and clock.
    since: BTreeMap<(u64, TaskId), Timestamp>,
    /// The tasks that were told to stop.
    told: BTreeSet<TaskId>,
}

impl Draining {
    /// Notes which tasks drain in the tables that a leader goes by.
    pub fn note(&mut self, term: u64, tables: &Tables, now: Timestamp) {
        let draining = tables.draining();
        self.since.retain(|(its, task), _| *its != term || draining.contains_key(task));
        for task in draining.into_keys() {
            self.since.entry((term, task)).or_insert(now);
        }
    }

    /// Looks at what a leader is about to tell a node, and at what all kernels hold at that moment.
    pub fn check(
        &mut self,
        term: u64,
        told: &Assignments,
        state: &State,
        tables: &Tables,
        hosts: &[Host],
        now: Timestamp,
    ) -> Kept {
        let draining = tables.draining();
        for task in told.put.iter().filter(|task| task.desired > DesiredState::Running) {
            let is_first = self.told.insert(task.id);
            let since = self.since.get(&(term, task.id));
            if !is_first || since.is_none_or(|&since| now.since(since) >= PATIENCE) {
                continue;
            }
            // Where nobody stands in for it there is nothing to wait for.
            let balances = |host: &&Host| {
                let drained = draining.get(&task.id).into_iter().flat_map(|drained| &drained.balancers);
                let mut networks = drained.filter(|(node, _)| *node == host.id).map(|(_, network)| *network);
                is_up(host, state) && networks.any(|network| balances_to(host, task, network))
            };
            if let Some(host) = hosts.iter().find(balances) {
                let what = format!("{}, is told to stop while {} balances to it", named(task), host.name);
                return Err(Broken::new("stops_wait_for_balancers", what));
            }
        }
        Ok(())
    }
}

/// Whether a machine has power, and the managers take it to have.
fn is_up(host: &Host, state: &State) -> bool {
    host.power && state.node(host.id).is_some_and(|node| node.status.state != NodeState::Down)
}

/// Whether a machine's kernel leads connections of a network to a task.
fn balances_to(host: &Host, task: &Task, network: NetworkId) -> bool {
    let service = host.kernel.held.get(&network).and_then(|table| table.services.get(&task.service));
    service.and_then(|service| service.endpoints.get(&task.id)).is_some_and(|endpoint| endpoint.serves())
}
