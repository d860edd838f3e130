//! Waiting until the node of a task has connected or disconnected it.

use super::Session;
use crate::{
    args::service::WaitArgs,
    client::Client,
    commands::service::converge::Watch,
    error::CliError,
    output::{networks, tasks},
};
use proto::wire::{GetServiceRequest, Network, ServiceView, Task, TaskState};
use std::{pin::pin, time::Duration};
use tonic::{Code, Status};

/// After how long it is said what is waited for.
const LONG: Duration = Duration::from_secs(5);
/// What a node begins with to say of a task that runs if nothing is wrong with its connections.
const AT_EASE: [&str; 2] = ["started", "running"];

/// How far a task's node is with one of its connections.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// It has done what was asked.
    Done,
    /// It has not, and what is in its way if it says so.
    Waiting(Option<String>),
    /// There is nothing to wait for any more.
    Ended,
}

/// Waits until the node of a task has carried out the task's connection to a network, unless that is not to
/// be waited for.
pub async fn carried_out(
    session: &Session,
    client: Client,
    task: &Task,
    network: &Network,
    args: &WaitArgs,
) -> Result<(), CliError> {
    let connection = task.connections.iter().find(|connection| connection.network_id == network.id);
    // One that is not there any more is carried out.
    let Some(connection) = connection.filter(|_| !args.detach) else { return Ok(()) };
    let request = GetServiceRequest { service: task.service_id.clone() };
    let service = client.control().get_service(request).await.map_err(CliError::cluster)?.into_inner();
    let mut watch = Watch::new(session, client, &service);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut long = pin!(tokio::time::sleep(LONG));
    let mut said = None;
    let note = |text: String| {
        if !args.quiet {
            session.printer.note(&text);
        }
    };
    loop {
        let view = tokio::select! {
            // A view is taken from the stream whole or not at all.
            view = watch.next() => view?,
            () = &mut long, if !long.is_elapsed() => {
                note(format!(
                    "shoal: still waiting for the node of task `{}`, which will do it when it can",
                    tasks::full_name(task)
                ));
                continue;
            }
            signal = &mut interrupted => {
                signal.map_err(CliError::Signal)?;
                session.printer.note("shoal: stopped waiting; the task's node goes on");
                return Ok(());
            }
        };
        match progress(&view, &task.id, connection.version) {
            Progress::Done => return Ok(()),
            Progress::Ended if connection.leaving => return Ok(()),
            Progress::Ended => {
                let (task, network) = (tasks::full_name(task), networks::name(network));
                let message = format!("task `{task}` ended before it was connected to network `{network}`");
                return Err(CliError::cluster(Status::new(Code::FailedPrecondition, message)));
            }
            Progress::Waiting(trouble) => {
                if let Some(trouble) = trouble.as_ref().filter(|_| trouble != said) {
                    note(format!("shoal: the task's node tries again: {trouble}"));
                }
                said = trouble;
            }
        }
    }
}

fn progress(view: &ServiceView, task: &str, version: u64) -> Progress {
    let status = view.tasks.iter().find(|it| it.id == task).and_then(|it| it.status.clone());
    match status.filter(|status| status.state() == TaskState::Running) {
        None => Progress::Ended,
        Some(status) if status.connections_version >= version => Progress::Done,
        Some(status) => Progress::Waiting(
            Some(status.message).filter(|said| !AT_EASE.iter().any(|ease| said.starts_with(ease))),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;

    #[test]
    fn it_is_done_when_the_node_says_so_and_over_when_the_task_is() {
        let view = |state, connections_version, message: &str| {
            let mut task = fixtures::task("task1", "1", state);
            let status = task.status.get_or_insert_default();
            (status.connections_version, status.message) = (connections_version, message.into());
            ServiceView { service: None, tasks: vec![task] }
        };
        let id = fixtures::id("task1");
        let shown = |state, version, message| progress(&view(state, version, message), &id, 7);
        assert_eq!(shown(TaskState::Running, 6, "started"), Progress::Waiting(None));
        assert_eq!(shown(TaskState::Running, 6, "no way"), Progress::Waiting(Some("no way".into())));
        assert_eq!(shown(TaskState::Running, 7, "running"), Progress::Done);
        assert_eq!(shown(TaskState::Failed, 7, "failed"), Progress::Ended);
        assert_eq!(progress(&ServiceView::default(), &id, 7), Progress::Ended);
    }
}
