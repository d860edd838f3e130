//! What the tasks on a node have reserved is there.

use super::{Broken, Kept, Step, containers::Containers, holds_node, named};
use manager_core::state::State;
use proto::model::{NodeId, Task};

const PROMISE: &str = "reservations_fit";

/// Processors and memory.
type Amount = (u64, u64);

fn sum<'a>(tasks: impl Iterator<Item = &'a Task>) -> Amount {
    tasks
        .map(|task| &task.spec.task.reservations)
        .fold((0, 0), |(cpus, memory), reserved| (cpus + reserved.nano_cpus, memory + reserved.memory_bytes))
}

fn has(state: &State, node: NodeId) -> Option<Amount> {
    let description = state.node(node)?.description.as_ref()?;
    Some((description.nano_cpus, description.memory_bytes))
}

fn exceeds(wanted: Amount, there: Amount) -> bool {
    wanted.0 > there.0 || wanted.1 > there.1
}

/// Looks at the nodes that a transaction touched.
pub(super) fn check(step: &Step<'_>) -> Kept {
    for node in step.nodes() {
        let reserved = sum(step.after.tasks_on(node).map(AsRef::as_ref).filter(|task| holds_node(task)));
        if has(step.after, node).is_some_and(|there| exceeds(reserved, there)) {
            let what = format!("{reserved:?} (nano-cpus, bytes) are reserved on node {}", node.short(6));
            return Err(Broken::new(PROMISE, what));
        }
    }
    Ok(())
}

/// Looks at a container that is about to run on a node.
pub(super) fn check_containers(containers: &Containers, task: &Task, node: NodeId, state: &State) -> Kept {
    let others = containers.running().filter(|running| running.node == node).map(|running| &running.task);
    let reserved = sum(others.chain([task]));
    match has(state, node).is_some_and(|there| exceeds(reserved, there)) {
        true => {
            let what = format!(
                "{reserved:?} (nano-cpus, bytes) are in use on node {} with {}",
                node.short(6),
                named(task)
            );
            Err(Broken::new(PROMISE, what))
        }
        false => Ok(()),
    }
}
