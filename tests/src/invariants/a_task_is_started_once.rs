//! A task's container is started at most once, over restarts of the daemon and losses of power.

use super::{Broken, Kept, containers::Containers, named};
use proto::model::Task;

/// Looks at a container that is about to run.
pub(super) fn check(containers: &Containers, task: &Task) -> Kept {
    match containers.was_started(task.id) {
        true => Err(Broken::new("a_task_is_started_once", format!("{}, is started again", named(task)))),
        false => Ok(()),
    }
}
