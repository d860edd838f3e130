//! Liveness: which nodes are ready, which are down, and when a node's tasks are given up for lost.
//!
//! The dispatcher notes when it heard from each node; this module says what follows. A node is ready
//! while there is a sign of life that is young enough. How young depends on what is known:
//!
//! | What is known of the node | It counts as down after |
//! | --- | --- |
//! | a session, but no word | three heartbeat periods |
//! | its connection broke | one period and [`RECONNECT`]: a daemon that died, or is back at once |
//! | it said that it restarts | [`PLANNED_RESTART`] |
//! | nothing, because the leader is new | [`grace`] from when the leader began |
//!
//! So after a change of leader nodes stay ready, and keep their tasks, while their agents find the new
//! one. New tasks go only to nodes that have a session: one that died with the leader can't be told
//! from one that is on its way. A new leader gives them one heartbeat period to come before it begins
//! to place tasks on those that are there ([`Liveness::gathers_until`]).
//! The tasks of a node that is down are replaced at once, but what they hold stays theirs until their
//! end is confirmed or [`ORPHANED_AFTER`] has passed, as the node may still run them.

use crate::{
    Decision,
    state::{Change, State},
};
use proto::model::{Cluster, Node, NodeId, NodeState, NodeStatus, Task, TaskState, TaskStatus, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// How long beyond a heartbeat period a node whose connection broke may take to call again.
pub const RECONNECT: Duration = Duration::from_millis(500);

/// How long a node may be away that said it restarts, such as for an upgrade.
pub const PLANNED_RESTART: Duration = Duration::from_secs(60);

/// How long a node may be down before its tasks count as lost for good.
pub const ORPHANED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What the leader knows of the nodes beside the state. It is not replicated: it begins empty with
/// each leader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Liveness {
    /// Since when this manager has been the leader.
    pub leader_since: Timestamp,
    /// What it heard of each node; nothing of those that are not named.
    pub contacts: BTreeMap<NodeId, Contact>,
}

/// What the leader heard of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contact {
    /// The last sign of life, which a connection that breaks is as well.
    pub last_heard: Option<Timestamp>,
    /// Whether it has a session now.
    pub connected: bool,
    /// Whether it said that it restarts, and has not registered since.
    pub goodbye: bool,
}

impl Liveness {
    /// Whether a node has a session now.
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.contacts.get(&node).is_some_and(|contact| contact.connected)
    }

    /// Until when a new leader waits for ready nodes that have not called; `None` if all have.
    pub fn gathers_until(&self, state: &State) -> Option<Timestamp> {
        let period = state.cluster()?.spec.heartbeat_period;
        let mut ready = state.nodes().filter(|node| node.status.state == NodeState::Ready);
        ready.any(|node| !self.contacts.contains_key(&node.id)).then(|| self.leader_since + period)
    }
}

/// How long after its election a leader waits for nodes it has not heard from.
pub fn grace(heartbeat_period: Duration) -> Duration {
    heartbeat_period.saturating_mul(10)
}

/// Brings the nodes' states up to date, and gives up the tasks of nodes that are down for too long.
pub fn decide(state: &State, now: Timestamp, liveness: &Liveness) -> Decision {
    let mut decision = Decision::default();
    let Some(cluster) = state.cluster() else { return decision };
    for node in state.nodes() {
        match judge(cluster, node, liveness, now) {
            Verdict::Ready { until } => {
                decision.wake(until);
                // A broken connection keeps a node ready for a while; it does not make it ready again.
                let calls = liveness.contacts.get(&node.id).is_some_and(|contact| contact.connected);
                if node.status.state != NodeState::Ready && calls {
                    set_status(node, NodeState::Ready, String::new(), now, &mut decision);
                }
            }
            Verdict::Down { reason } if node.status.state == NodeState::Ready => {
                set_status(node, NodeState::Down, reason, now, &mut decision);
            }
            Verdict::Down { .. } => {}
        }
        if node.status.state == NodeState::Down {
            give_up_tasks(state, node, now, &mut decision);
        }
    }
    decision
}

enum Verdict {
    Ready { until: Timestamp },
    Down { reason: String },
}

fn judge(cluster: &Cluster, node: &Node, liveness: &Liveness, now: Timestamp) -> Verdict {
    let period = cluster.spec.heartbeat_period;
    let contact = liveness.contacts.get(&node.id).copied().unwrap_or_default();
    let (until, reason) = match contact.last_heard {
        // Before an agent has registered there is nothing to place tasks by.
        Some(_) if node.description.is_none() => (now, "it has not registered yet".to_owned()),
        Some(heard) if contact.goodbye => (
            heard + PLANNED_RESTART,
            format!("it announced a restart and is not back after {PLANNED_RESTART:?}"),
        ),
        Some(heard) if contact.connected => {
            let silence = period.saturating_mul(3);
            (heard + silence, format!("nothing was heard from it for {silence:?}"))
        }
        Some(heard) => {
            let silence = period.saturating_add(RECONNECT);
            (heard + silence, format!("its connection broke, and it has not called again for {silence:?}"))
        }
        // Only what was ready is waited for; a node that was down stays so until it calls.
        None if node.status.state == NodeState::Ready => {
            let grace = grace(period);
            (
                liveness.leader_since + grace,
                format!("it has not called for {grace:?} since the leader changed"),
            )
        }
        None => (now, "it has not called since the leader changed".to_owned()),
    };
    if until > now { Verdict::Ready { until } } else { Verdict::Down { reason } }
}

fn set_status(node: &Node, state: NodeState, message: String, now: Timestamp, decision: &mut Decision) {
    let status = NodeStatus { state, message, since: now, ..node.status.clone() };
    decision.propose(None, [Change::SetNodeStatus { node: node.id, status }]);
}

fn give_up_tasks(state: &State, node: &Node, now: Timestamp, decision: &mut Decision) {
    let mut unended = state.tasks_on(node.id).filter(|task| holds_something(task)).peekable();
    if unended.peek().is_none() {
        return;
    }
    let at = node.status.since + ORPHANED_AFTER;
    if at > now {
        return decision.wake(at);
    }
    for task in unended {
        decision.propose(None, [orphan(task, "its node was down for a day", now)]);
    }
}

fn holds_something(task: &Task) -> bool {
    task.status.state >= TaskState::Assigned && !task.status.state.is_terminal()
}

/// Gives up a task for good: what it holds is free for others.
pub(crate) fn orphan(task: &Task, message: &str, now: Timestamp) -> Change {
    let status =
        TaskStatus { state: TaskState::Orphaned, message: message.to_owned(), ..TaskStatus::new(now) };
    Change::ReportStatus { task: task.id, status }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node, service};

    const PERIOD_MS: u64 = 1000;

    /// A cluster of one node that runs a task and was heard from just now.
    fn bench() -> (Bench, NodeId) {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        bench.create(service("web").replicas(1));
        bench.settle();
        (bench, node)
    }

    /// The node's state after so many milliseconds without a word.
    fn after(bench: &mut Bench, node: NodeId, ms: u64) -> NodeState {
        bench.now = bench.now + Duration::from_millis(ms);
        let (now, liveness) = (bench.now, bench.liveness.clone());
        bench.decide(|state, _, _| decide(state, now, &liveness));
        bench.state.node(node).unwrap().status.state
    }

    #[test]
    fn a_silent_node_is_down_after_three_periods() {
        let (mut bench, node) = bench();
        assert_eq!(after(&mut bench, node, 3 * PERIOD_MS - 1), NodeState::Ready);
        assert_eq!(after(&mut bench, node, 1), NodeState::Down);
        assert!(bench.state.node(node).unwrap().status.message.contains("nothing was heard from it for 3s"));
    }

    #[test]
    fn a_node_whose_connection_broke_is_down_sooner() {
        let (mut bench, node) = bench();
        bench.contact(node).connected = false;
        assert_eq!(after(&mut bench, node, PERIOD_MS + 499), NodeState::Ready);
        assert_eq!(after(&mut bench, node, 1), NodeState::Down);
    }

    #[test]
    fn a_planned_restart_is_waited_for() {
        let (mut bench, node) = bench();
        *bench.contact(node) = Contact { connected: false, goodbye: true, ..*bench.contact(node) };
        assert_eq!(after(&mut bench, node, 59_999), NodeState::Ready);
        assert_eq!(after(&mut bench, node, 1), NodeState::Down);
    }

    #[test]
    fn nodes_stay_ready_while_they_look_for_a_new_leader() {
        let (mut bench, node) = bench();
        bench.liveness = Liveness { leader_since: bench.now, contacts: BTreeMap::new() };
        assert_eq!(after(&mut bench, node, 10 * PERIOD_MS - 1), NodeState::Ready);
        assert_eq!(after(&mut bench, node, 1), NodeState::Down);
    }

    #[test]
    fn a_new_leader_does_not_take_a_node_for_up_that_was_down() {
        let (mut bench, node) = bench();
        after(&mut bench, node, 3 * PERIOD_MS);
        bench.liveness = Liveness { leader_since: bench.now, contacts: BTreeMap::new() };
        assert_eq!(after(&mut bench, node, 1), NodeState::Down);
    }

    #[test]
    fn a_node_that_calls_again_is_ready() {
        let (mut bench, node) = bench();
        after(&mut bench, node, 3 * PERIOD_MS);
        bench.hear(node);
        assert_eq!(after(&mut bench, node, 0), NodeState::Ready);
    }

    #[test]
    fn a_connection_that_breaks_is_no_sign_that_a_node_is_back() {
        let (mut bench, node) = bench();
        after(&mut bench, node, 3 * PERIOD_MS);
        bench.hear(node);
        bench.contact(node).connected = false;
        assert_eq!(after(&mut bench, node, 0), NodeState::Down);
    }

    #[test]
    fn a_node_that_never_registered_is_not_ready() {
        let mut bench = Bench::new();
        let node = bench.add(node(1).unregistered());
        bench.hear(node);
        assert_eq!(after(&mut bench, node, 0), NodeState::Unknown);
    }

    #[test]
    fn the_tasks_of_a_node_that_is_down_for_a_day_are_orphaned() {
        let (mut bench, node) = bench();
        after(&mut bench, node, 3 * PERIOD_MS);
        let states =
            |bench: &Bench| bench.state.tasks_on(node).map(|task| task.status.state).collect::<Vec<_>>();
        after(&mut bench, node, 24 * 3600 * 1000 - 1);
        assert_eq!(states(&bench), [TaskState::Running]);
        after(&mut bench, node, 1);
        assert_eq!(states(&bench), [TaskState::Orphaned]);
    }
}
