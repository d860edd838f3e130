//! Connecting single tasks to networks, and disconnecting them.

use super::{ControlService, addresses};
use crate::{
    status::{of_connection, of_find, of_problems, of_propose},
    store::ProposeError,
};
use manager_core::{
    requests::{
        connection::{self, ConnectionError},
        find,
    },
    state::{Refusal, State, Transaction},
};
use proto::{
    model::{Name, Network, Problems, Task},
    wire::{self, ConnectTaskRequest, DisconnectTaskRequest},
};
use std::collections::BTreeSet;
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn connect_task(
        &self,
        request: Request<ConnectTaskRequest>,
    ) -> Result<wire::Task, Status> {
        let ConnectTaskRequest { network, task, aliases } = request.into_inner();
        let mut problems = Problems::default();
        let aliases = problems.take_all("--alias", aliases.into_iter().map(Name::try_from));
        let aliases: BTreeSet<Name> = problems.finish(aliases).map_err(of_problems)?.into_iter().collect();
        let connect = |state: &State, task: &Task, network: &Network| {
            connection::connect(state, task, network, aliases.clone())
        };
        let answer = self.change_connection(&task, &network, connect).await?;
        info!(task = answer.id, network, "task connected");
        Ok(answer)
    }

    pub(super) async fn disconnect_task(
        &self,
        request: Request<DisconnectTaskRequest>,
    ) -> Result<wire::Task, Status> {
        let DisconnectTaskRequest { network, task, force } = request.into_inner();
        let disconnect =
            |_: &State, task: &Task, network: &Network| connection::disconnect(task, network, force);
        let answer = self.change_connection(&task, &network, disconnect).await?;
        info!(task = answer.id, network, force, "task disconnected");
        Ok(answer)
    }

    /// Changes what a task is connected to. What others have changed at the same moment is looked at again.
    async fn change_connection(
        &self,
        task: &str,
        network: &str,
        change: impl Fn(&State, &Task, &Network) -> Result<Transaction, ConnectionError>,
    ) -> Result<wire::Task, Status> {
        let id = loop {
            let state = self.state().await?;
            let task = find::task(&state, task).map_err(of_find)?;
            let network = find::network(&state, network).map_err(of_find)?;
            let transaction = change(&state, task, network).map_err(of_connection)?;
            match self.store.propose(transaction).await {
                Ok(_) => break task.id,
                Err(ProposeError::Refused(
                    Refusal::Stale { .. }
                    | Refusal::NumberTaken { .. }
                    | Refusal::BlockTaken { .. }
                    | Refusal::NoLease { .. }
                    | Refusal::NotFound(_),
                )) => {}
                Err(error) => return Err(of_propose(error)),
            }
        };
        let state = self.store.snapshot();
        let task = state.task(id).ok_or_else(|| Status::not_found("the task was removed meanwhile"))?;
        Ok(addresses::task_view(&state, task))
    }
}
