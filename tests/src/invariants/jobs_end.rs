//! A job whose tasks complete comes to its end: with success once each has, and then nothing of it runs.

use super::{Broken, Kept};
use crate::sim::wishes::Behaviour;
use manager_core::state::State;
use proto::model::{Service, ServiceMode, Task, TaskState};

/// Looks at a service that is a job.
pub(super) fn check(state: &State, service: &Service) -> Kept {
    let broken = |what: String| Err(Broken::new("jobs_end", format!("job {}: {what}", service.spec.name)));
    let Some(run) = &service.job else { return broken("it has no run".to_owned()) };
    let of_run = |task: &&Task| task.task_version == service.task_version;
    let tasks: Vec<&Task> = state.tasks_of(service.id).map(AsRef::as_ref).filter(of_run).collect();
    let completed = tasks.iter().filter(|task| task.status.state == TaskState::Complete).count();
    let under_way = tasks.iter().filter(|task| task.is_runnable()).count();
    match (&run.end, service.spec.mode) {
        (None, ServiceMode::ReplicatedJob { .. }) => {
            let waits = tasks.iter().any(|task| task.status.state == TaskState::Pending);
            let image = Behaviour::of(&service.spec.task.container.image);
            match image == Behaviour::Job && !waits {
                true => broken(format!("{completed} tasks have completed, and {under_way} go on")),
                false => Ok(()),
            }
        }
        (Some(end), ServiceMode::ReplicatedJob { total, .. }) => {
            if under_way > 0 {
                return broken(format!("it has ended, and {under_way} tasks go on"));
            }
            match end.failure.is_none() && completed != total as usize {
                true => broken(format!("it ended with success, and {completed} of {total} tasks completed")),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
