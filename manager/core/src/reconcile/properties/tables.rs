//! Nodes that put together what they know of networks from what they are told.

use crate::{assignments::Told, networks::Tables, orchestrator::slots::holds_node, testing::Bench};
use proptest::{prelude::*, test_runner::TestCaseError};
use proto::model::{NetworkId, NetworkTable, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// The agents of all nodes.
#[derive(Default)]
pub(super) struct Agents(BTreeMap<NodeId, Agent>);

#[derive(Default)]
struct Agent {
    told: Told,
    knows: BTreeMap<NetworkId, NetworkTable>,
}

impl Agents {
    /// Each agent is told what is new, and knows then what it would be told if it knew nothing.
    pub fn listen(&mut self, bench: &Bench) -> Result<(), TestCaseError> {
        let (state, tables) = (&bench.state, bench.tables());
        let anew = Tables::default().next(state);
        for node in state.nodes() {
            let agent = self.0.entry(node.id).or_default();
            if let Some(said) = agent.told.tell(state, &tables, node.id, |_| false) {
                for update in said.networks {
                    let fresh = NetworkTable::new(update.info.clone());
                    agent.knows.entry(update.info.id).or_insert(fresh).apply(update);
                }
                said.remove_networks.iter().for_each(|id| drop(agent.knows.remove(id)));
            }
            let all = anew.of_node(node.id).map(|(id, table)| {
                let mut whole = NetworkTable::new(state.network(id).expect("it has a table").info());
                whole.apply(table.in_full(node.id));
                (id, whole)
            });
            prop_assert_eq!(&agent.knows, &all.collect::<BTreeMap<_, _>>());
            let tasks = state.tasks_on(node.id).filter(|task| holds_node(task));
            let needed: BTreeSet<NetworkId> =
                tasks.flat_map(|task| &task.addresses).map(|address| address.network).collect();
            prop_assert!(needed.iter().all(|id| agent.knows.contains_key(id)), "{needed:?} are needed");
        }
        Ok(())
    }
}
