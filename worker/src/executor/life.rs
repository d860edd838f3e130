//! One task carried out: its steps one after the other, and the wait for its container's end.

use super::{
    connections::{until_drained, until_listening},
    node::{Node, blocking},
    payloads, ports,
    prepare::{Preparation, PrepareError, Prepared},
    probes,
    reconnect::{await_connections, reconnect},
};
use crate::chain::Chain;
use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use proto::model::{ExitStatus, Task, TaskId};
use std::{error::Error, sync::Arc};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, error, info, warn};
use worker_core::{agent::Outcome, health::Finding, payloads::Known};
use worker_runtime::{ExitRecord, Outcome as Ending, Running, RuntimeError};

/// What the agent wants done for a task.
#[derive(Debug)]
pub(super) enum Order {
    Prepare(Box<Task>),
    Start,
    AwaitListening(Box<Task>),
    Probe(Box<Task>),
    Drain(Box<Task>),
    Connect(Box<Task>),
    Stop,
    Kill,
    Remove,
}

/// Where things stand with the task's container.
pub(super) enum Place {
    Empty,
    Prepared(Box<Prepared>),
    Running(Running),
}

/// Carries out one task's orders.
pub(super) struct Life {
    pub id: TaskId,
    pub node: Arc<Node>,
    pub place: Place,
    /// Probes its container, while it is to run.
    pub probes: Option<AbortOnDropHandle<()>>,
    /// What it was last prepared as.
    pub task: Option<Box<Task>>,
    /// What is known of secrets and configs.
    pub known: watch::Receiver<Known>,
    /// Few: the agent gives a task its next order when the last one led to something.
    pub orders: mpsc::UnboundedReceiver<Order>,
    pub outcomes: mpsc::Sender<(TaskId, Outcome)>,
}

impl Life {
    /// Works until the task is removed or the daemon stops. A container that runs goes on after that.
    pub(super) async fn run(mut self) {
        // Waits for something of a container that runs, and what came of it then.
        let mut waiting: Option<BoxFuture<'static, Outcome>> = None;
        let mut overtaking = None;
        loop {
            let order = match &self.place {
                _ if overtaking.is_some() => overtaking.take(),
                Place::Running(running) => tokio::select! {
                    order = self.orders.recv() => order,
                    // Cancel-safe: it can be waited for again.
                    ended = running.wait() => {
                        waiting = None;
                        self.ended(ended).await;
                        continue;
                    }
                    // Cancel-safe: what it looks at is looked at anew.
                    outcome = OptionFuture::from(waiting.as_mut()), if waiting.is_some() => {
                        waiting = None;
                        if let Some(outcome) = outcome {
                            self.tell(outcome).await;
                        }
                        continue;
                    }
                    // Cancel-safe: what is not taken in now is seen the next time. Fails only when the sender is gone,
                    // which the node holds.
                    _ = self.known.changed(), if payloads::are_used(self.task.as_deref()) => {
                        if let Some(task) = &self.task {
                            payloads::refresh(&self.node, task, running).await;
                        }
                        continue;
                    }
                },
                Place::Empty | Place::Prepared(_) => self.orders.recv().await,
            };
            match order {
                Some(Order::Prepare(task)) => {
                    self.prepare(&task).await;
                    self.task = Some(task);
                }
                Some(Order::Start) => self.start().await,
                Some(Order::AwaitListening(task)) => {
                    let node = self.node.clone();
                    let wait = async move { until_listening(&node, &task).await };
                    waiting = Some(wait.map(|()| Outcome::Listening).boxed());
                }
                Some(Order::Probe(task)) => self.probe(task).await,
                Some(Order::Drain(task)) => {
                    let node = self.node.clone();
                    let wait = async move { until_drained(&node, &task).await };
                    waiting = Some(wait.map(|()| Outcome::Drained).boxed());
                }
                Some(Order::Connect(task)) => overtaking = self.connect(&task).await,
                Some(Order::Stop) => self.stop(Running::stop).await,
                Some(Order::Kill) => self.stop(Running::kill).await,
                Some(Order::Remove) => {
                    self.remove().await;
                    return;
                }
                None => return,
            }
        }
    }

    async fn tell(&self, outcome: Outcome) {
        debug!(task = %self.id, ?outcome, "step done");
        // Nobody listens only when the daemon is ending; what happened is found again.
        let _ = self.outcomes.send((self.id, outcome)).await;
    }

    async fn prepare(&mut self, task: &Task) {
        let cancel = CancellationToken::new();
        let (outcomes, id) = (self.outcomes.clone(), self.id);
        // Only for people: one that finds no room is made up for by the next.
        let progress = move |message| drop(outcomes.try_send((id, Outcome::Progress { message })));
        let node = self.node.clone();
        let preparation = Preparation { node: &node, task, cancel: &cancel, progress };
        let work = preparation.run();
        tokio::pin!(work);
        let mut unwanted = false;
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                // Stop, kill, or the end of the daemon: nothing else comes during a preparation. What is
                // under way on a thread is waited for.
                _ = self.orders.recv(), if !unwanted => {
                    unwanted = true;
                    cancel.cancel();
                }
            }
        };
        match done {
            Ok(prepared) if !unwanted => {
                self.place = Place::Prepared(Box::new(prepared));
                self.tell(Outcome::Prepared).await;
            }
            Err(error) if !unwanted => self.fail("task cannot be prepared", &error).await,
            Ok(_) | Err(PrepareError::Cancelled) => self.stopped().await,
            Err(error) => {
                debug!(task = %self.id, error = %Chain(&error), "preparation ended");
                self.stopped().await;
            }
        }
    }

    /// Publishes the ports, then starts the container: a fault in the former leaves nothing to undo.
    async fn start(&mut self) {
        let Place::Prepared(prepared) = std::mem::replace(&mut self.place, Place::Empty) else {
            // The agent does not ask for it; if it did, waiting for an answer would be worse.
            return self.tell(Outcome::Failed { error: "the task was not prepared".into() }).await;
        };
        let Prepared { start, ports, has_probes } = *prepared;
        if let Err(error) = ports::check_free(self.node.network.host(), &ports).await {
            return self.fail("task cannot be started", &error).await;
        }
        if !ports.is_empty()
            && let Err(error) = self.node.network.publish(&self.id.to_string(), &ports).await
        {
            return self.fail("task's ports cannot be published", &error).await;
        }
        let node = self.node.clone();
        match blocking(move || node.runtime.start(&start)).await {
            Ok(running) => {
                let pid = running.pid();
                info!(task = %self.id, pid, "container started");
                self.place = Place::Running(running.clone());
                self.tell(Outcome::Started { pid, has_probes }).await;
                self.node.name_servers.entrust(self.id, running).await;
            }
            Err(error) => self.fail("container cannot be started", &error).await,
        }
    }

    async fn probe(&mut self, task: Box<Task>) {
        let (files, id) = (self.node.files.clone(), self.id);
        match blocking(move || files.probes(id)).await {
            Ok(Some(plan)) => {
                let probing = probes::run(self.node.clone(), task, plan, self.outcomes.clone());
                self.probes = Some(AbortOnDropHandle::new(tokio::spawn(probing)));
            }
            Ok(None) => {}
            // Without them nobody would ever know whether it works: it is replaced by one of which that is known.
            Err(error) => {
                let why = Some(Chain(&error).to_string());
                self.tell(Outcome::Probed(Finding { unhealthy: why, ..Finding::default() })).await;
            }
        }
    }

    /// Connects the container as it is wanted. An order that comes while its networks can't be used yet
    /// overtakes that and is returned.
    async fn connect(&mut self, task: &Task) -> Option<Order> {
        let Place::Running(running) = &self.place else { return None };
        let running = running.clone();
        let ready = tokio::select! {
            ready = await_connections(&self.node, task) => ready,
            order = self.orders.recv() => return order,
            ended = running.wait() => {
                self.ended(ended).await;
                return None;
            }
        };
        let connected = match ready {
            Ok(()) => {
                let connected = reconnect(&self.node, task).await;
                // It may have got its first name server.
                self.node.name_servers.entrust(self.id, running).await;
                connected.map_err(|error| Chain(&error).to_string())
            }
            Err(error) => Err(Chain(&error).to_string()),
        };
        let outcome = match connected {
            Ok(()) => Outcome::Connected { version: task.connections_version() },
            Err(error) => {
                warn!(task = %self.id, error, "container cannot be connected as wanted");
                Outcome::NotConnected { error }
            }
        };
        self.tell(outcome).await;
        None
    }

    async fn stop(&mut self, how: fn(&Running) -> Result<(), worker_runtime::RunningError>) {
        // It may refuse to answer from now on.
        self.probes = None;
        let Place::Running(running) = &self.place else { return self.stopped().await };
        let running = running.clone();
        // It may just have ended; if not, the agent's next order is a kill.
        if let Err(error) = blocking(move || how(&running)).await {
            warn!(task = %self.id, error = %Chain(&error), "container could not be told to end");
        }
    }

    /// Gives back what was prepared.
    async fn stopped(&mut self) {
        self.place = Place::Empty;
        self.node.give_back(self.id).await;
        self.tell(Outcome::Stopped).await;
    }

    async fn ended(&mut self, ended: Result<ExitRecord, RuntimeError>) {
        self.place = Place::Empty;
        self.probes = None;
        self.node.give_back(self.id).await;
        let outcome = match ended {
            Ok(record) => {
                record
                    .problems
                    .iter()
                    .for_each(|problem| warn!(task = %self.id, problem, "container left something behind"));
                outcome_of(&record)
            }
            Err(error) => {
                error!(task = %self.id, error = %Chain(&error), "cannot find out how the container ended");
                Outcome::Failed {
                    error: format!("cannot find out how the container ended: {}", Chain(&error)),
                }
            }
        };
        info!(task = %self.id, ?outcome, "container ended");
        self.tell(outcome).await;
    }

    async fn fail(&mut self, what: &'static str, error: &(dyn Error + Send + Sync + 'static)) {
        let error = Chain(error).to_string();
        warn!(task = %self.id, error, "{what}");
        self.node.give_back(self.id).await;
        self.tell(Outcome::Failed { error }).await;
    }

    async fn remove(&mut self) {
        self.node.give_back(self.id).await;
        remove(&self.node, self.id).await;
        self.tell(Outcome::Removed).await;
    }
}

/// What the agent is told of how a container ended.
pub(super) fn outcome_of(record: &ExitRecord) -> Outcome {
    match record.outcome {
        Ending::Exited { code, oom_killed } => Outcome::Exited(ExitStatus { code, oom_killed }),
        Ending::NotStarted { .. } | Ending::SupervisorDied { .. } => {
            Outcome::Failed { error: record.error().unwrap_or_default() }
        }
    }
}

/// Removes everything of a task that is on disk, its folder last: what a crash interrupts is found by
/// that folder. Faults are logged; what is left then is removed when the daemon starts again.
pub(crate) async fn remove(node: &Arc<Node>, id: TaskId) {
    let fault = |error: &(dyn Error + 'static)| warn!(task = %id, error = %Chain(error), "cannot remove all of the task");
    if let Err(error) = node.images.release(&id.to_string()).await {
        fault(&error);
    }
    let this = node.clone();
    let (volumes, files, container) =
        blocking(move || (this.volumes.remove_of_task(id), this.files.remove(id), this.runtime.remove(id)))
            .await;
    volumes.unwrap_or_else(|error| fault(&error));
    files.unwrap_or_else(|error| fault(&error));
    container.unwrap_or_else(|error| fault(&error));
}
