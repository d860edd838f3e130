//! Features: the level of a cluster rises once all its managers run a program that understands more.
//!
//! Managers that joined by then hold nobody up: one whose program is older than the cluster's level is not promoted
//! (see [`crate::membership`]).

use crate::{
    Decision,
    state::{Change, Expect, ObjectId, State},
};
use proto::model::{Cluster, Node, Timestamp, cluster::FEATURE_LEVEL};

/// Raises the level to what the oldest manager understands.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let Some(cluster) = state.cluster() else { return decision };
    let managers = state.nodes().filter(|node| node.manager.is_some());
    // Nothing is known of one that has not registered.
    let level = |node: &Node| node.description.as_ref().map_or(0, |said| said.feature_level);
    let oldest = managers.map(|manager| level(manager)).min().unwrap_or(0).min(FEATURE_LEVEL);
    if oldest > cluster.feature_level {
        let expect = Expect { object: ObjectId::Cluster, version: cluster.version };
        let raised = Cluster { feature_level: oldest, updated_at: now, ..Cluster::clone(cluster) };
        decision.propose(Some(expect), [Change::PutCluster(Box::new(raised))]);
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node};

    fn level(bench: &Bench) -> u32 {
        bench.state.cluster().unwrap().feature_level
    }

    #[test]
    fn the_level_rises_when_the_last_manager_runs_the_newer_program_and_never_falls() {
        let mut bench = Bench::new();
        let ids = [1, 2, 3].map(|n| bench.add(node(n).manager()));
        let set = |bench: &mut Bench, manager: usize, level: u32| {
            bench.edit_node(ids[manager], |node| node.description.as_mut().unwrap().feature_level = level);
        };
        bench.edit_cluster(|cluster| cluster.feature_level = FEATURE_LEVEL - 1);
        set(&mut bench, 2, FEATURE_LEVEL - 1);
        // Beyond what this program understands.
        set(&mut bench, 0, FEATURE_LEVEL + 1);
        bench.pass();
        assert_eq!(level(&bench), FEATURE_LEVEL - 1);
        set(&mut bench, 2, FEATURE_LEVEL);
        bench.pass();
        assert_eq!(level(&bench), FEATURE_LEVEL);
        set(&mut bench, 2, FEATURE_LEVEL - 1);
        bench.pass();
        assert_eq!(level(&bench), FEATURE_LEVEL);
    }

    #[test]
    fn a_manager_that_has_not_registered_and_workers_say_nothing() {
        let mut bench = Bench::new();
        bench.edit_cluster(|cluster| cluster.feature_level = FEATURE_LEVEL - 1);
        bench.add(node(1));
        bench.pass();
        assert_eq!(level(&bench), FEATURE_LEVEL - 1);
        let manager = bench.add(node(2).manager());
        bench.edit_node(manager, |node| node.description = None);
        bench.pass();
        assert_eq!(level(&bench), FEATURE_LEVEL - 1);
    }
}
