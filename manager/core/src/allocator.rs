//! Allocator: gives a new task what the cluster hands out, before a node is looked for.
//!
//! Services hold nothing yet that would have to be handed out, so a task passes at once. Host ports,
//! processors and memory are held on a node, and are leased by the scheduler when it assigns one.

use crate::{
    Decision,
    state::{Change, State},
};
use proto::model::{DesiredState, Task, TaskState, Timestamp};

/// Lets new tasks pass on to the scheduler.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    for task in state.tasks_unplaced().filter(|task| is_new(task)) {
        let message = "waiting to be scheduled".to_owned();
        decision.propose(None, [Change::SetPending { task: task.id, message, at: now }]);
    }
    decision
}

fn is_new(task: &Task) -> bool {
    task.status.state == TaskState::New && task.desired <= DesiredState::Running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, service};

    #[test]
    fn a_new_task_becomes_pending_once() {
        let mut bench = Bench::new();
        let web = bench.create(service("web").replicas(1));
        bench.decide(crate::orchestrator::replicated::decide);
        bench.decide(|state, now, _| decide(state, now));
        assert_eq!(bench.states(web), [TaskState::Pending]);
        assert!(decide(&bench.state, bench.now).is_empty());
    }
}
