//! What a daemon that starts finds of the containers it had before.

use crate::{
    chain::Chain,
    executor::containers_of,
    ledger::{Holding, Ledger, LedgerError},
    task_files::TaskFiles,
};
use proto::model::{ExitStatus, Task, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{error, info, warn};
use worker_core::{agent::Found, tables::Tables};
use worker_network::Adopted;
use worker_runtime::{ExitRecord, Outcome, Running, Runtime, RuntimeError};

/// What was found.
#[derive(Default)]
pub(crate) struct Recovered {
    /// The ledger's tasks.
    pub tasks: Vec<Task>,
    /// What there is of each.
    pub found: BTreeMap<TaskId, Found>,
    /// The containers that run.
    pub running: Vec<(TaskId, Running)>,
    /// What they hold of the network.
    pub adopted: Vec<Adopted>,
    /// What the managers told of networks, if they did.
    pub networks: Option<Tables>,
    /// Containers of tasks that the ledger does not know.
    pub strays: Vec<TaskId>,
}

/// Why a daemon can't find out.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The folder of containers.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Looks at every container, kills what lost its supervisor, and strikes out what nothing holds any
/// more. Waits for the disk.
pub(crate) fn recover(
    ledger: &Ledger,
    runtime: &Runtime,
    files: &TaskFiles,
) -> Result<Recovered, RecoverError> {
    let networks = networks(ledger)?;
    let mut recovered = Recovered { tasks: ledger.tasks()?, networks, ..Recovered::default() };
    let known: BTreeSet<TaskId> = recovered.tasks.iter().map(|task| task.id).collect();
    for id in runtime.list()? {
        if !known.contains(&id) {
            recovered.strays.push(id);
            continue;
        }
        if let Some(found) = look(runtime, files, id, &mut recovered.running) {
            recovered.found.insert(id, found);
        }
    }
    let running: BTreeMap<TaskId, u32> =
        recovered.running.iter().map(|(id, container)| (*id, container.pid())).collect();
    for (id, Holding { attachment, ports }) in ledger.holdings()? {
        match attachment {
            Some(attachment) if running.contains_key(&id) => {
                let task = recovered.tasks.iter().find(|task| task.id == id);
                let tables = recovered.networks.as_ref();
                let joined = task.map(|task| containers_of(task, &attachment, tables)).unwrap_or_default();
                let pid = running.get(&id).copied();
                recovered.adopted.push(Adopted { attachment, ports, pid, joined });
            }
            // The network removes what nobody adopts.
            _ => ledger.release(id)?,
        }
    }
    info!(
        tasks = recovered.tasks.len(),
        running = running.len(),
        strays = recovered.strays.len(),
        "ledger read"
    );
    Ok(recovered)
}

/// The managers tell it again, so that damage costs no more than waiting for them.
fn networks(ledger: &Ledger) -> Result<Option<Tables>, LedgerError> {
    match ledger.networks() {
        Err(error @ LedgerError::Damaged { .. }) => {
            warn!(error = %Chain(&error), "what the managers told of networks can't be read; they will tell it again");
            ledger.forget_networks()?;
            Ok(None)
        }
        known => known,
    }
}

fn look(
    runtime: &Runtime,
    files: &TaskFiles,
    id: TaskId,
    running: &mut Vec<(TaskId, Running)>,
) -> Option<Found> {
    match runtime.find(id) {
        Ok(None) => None,
        Ok(Some(worker_runtime::Found::Running(container))) => {
            let pid = container.pid();
            running.push((id, container));
            Some(Found::Running { pid, has_probes: files.has_probes(id) })
        }
        Ok(Some(worker_runtime::Found::Exited(record) | worker_runtime::Found::Lost(record))) => {
            Some(ended(&record))
        }
        Err(error) => {
            // One container that can't be understood must not keep the others from being looked after.
            error!(task = %id, error = %Chain(&error), "cannot find out what became of a container");
            let reason = format!("cannot find out what became of the container: {}", Chain(&error));
            Some(Found::Lost { reason })
        }
    }
}

fn ended(record: &ExitRecord) -> Found {
    match record.outcome {
        Outcome::Exited { code, oom_killed } => Found::Exited(ExitStatus { code, oom_killed }),
        Outcome::NotStarted { .. } | Outcome::SupervisorDied { .. } => {
            Found::Lost { reason: record.error().unwrap_or_default() }
        }
    }
}
