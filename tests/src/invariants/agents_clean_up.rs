//! A node forgets a task only when nothing of it is there, and removes nothing that runs.

use super::{Broken, Kept};
use crate::sim::containers::Container;
use proto::model::TaskId;

const PROMISE: &str = "agents_clean_up";

/// Looks at a task that is about to be forgotten, and at what there is of its container.
pub fn check_forgotten(task: TaskId, container: Option<&Container>) -> Kept {
    match container {
        None => Ok(()),
        Some(container) => {
            Err(Broken::new(PROMISE, format!("task {} is forgotten, but {container:?}", task.short(6))))
        }
    }
}

/// Looks at a container that is about to be removed.
pub fn check_removed(task: TaskId, container: Option<&Container>) -> Kept {
    match container {
        Some(Container::Running) => {
            Err(Broken::new(PROMISE, format!("task {} is removed while it runs", task.short(6))))
        }
        Some(Container::Ended(_) | Container::Lost) | None => Ok(()),
    }
}
