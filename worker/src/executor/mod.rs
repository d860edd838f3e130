//! Carries out what the agent decides: a small task of the runtime per task of the cluster.

mod connection;
mod connections;
mod life;
mod mounts;
mod node;
mod payloads;
mod ports;
mod prepare;
mod probes;
mod reconnect;

pub(crate) use connection::{containers_of, networks_of, reopen_name_server};
pub(crate) use life::remove;
pub(crate) use node::{Node, blocking};
pub(crate) use ports::Listeners;

use life::{Life, Order, Place};
use proto::model::{Task, TaskId};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::warn;
use worker_core::agent::Outcome;
use worker_runtime::Running;

/// How long steps that are under way may take to come to an end when the daemon stops.
const WIND_DOWN: Duration = Duration::from_secs(10);

/// Hands orders to the lives of tasks. Dropping it ends those, but no container.
pub(crate) struct Executor {
    node: Arc<Node>,
    outcomes: mpsc::Sender<(TaskId, Outcome)>,
    orders: HashMap<TaskId, mpsc::UnboundedSender<Order>>,
    lives: JoinSet<()>,
}

impl Executor {
    /// Makes an executor that tells what came of each order.
    pub(crate) fn new(node: Arc<Node>, outcomes: mpsc::Sender<(TaskId, Outcome)>) -> Self {
        Self { node, outcomes, orders: HashMap::new(), lives: JoinSet::new() }
    }

    /// Takes over a container that runs already.
    pub(crate) fn adopt(&mut self, task: Task, running: Running) {
        self.begin(task.id, Place::Running(running), Some(Box::new(task)));
    }

    /// Prepares a task.
    pub(crate) fn prepare(&mut self, task: Box<Task>) {
        self.order(task.id, Order::Prepare(task));
    }

    /// Starts a prepared task.
    pub(crate) fn start(&mut self, task: TaskId) {
        self.order(task, Order::Start);
    }

    /// Waits for a task to listen on its ports.
    pub(crate) fn await_listening(&mut self, task: Box<Task>) {
        self.order(task.id, Order::AwaitListening(task));
    }

    /// Begins to probe a task's container, which runs.
    pub(crate) fn probe(&mut self, task: Box<Task>) {
        self.order(task.id, Order::Probe(task));
    }

    /// Waits for a task's connections to end.
    pub(crate) fn drain(&mut self, task: Box<Task>) {
        self.order(task.id, Order::Drain(task));
    }

    /// Connects a task's container, which runs, as it is wanted by now.
    pub(crate) fn connect(&mut self, task: Box<Task>) {
        self.order(task.id, Order::Connect(task));
    }

    /// Asks a task to end.
    pub(crate) fn stop(&mut self, task: TaskId) {
        self.order(task, Order::Stop);
    }

    /// Ends a task.
    pub(crate) fn kill(&mut self, task: TaskId) {
        self.order(task, Order::Kill);
    }

    /// Removes everything of a task.
    pub(crate) fn remove(&mut self, task: TaskId) {
        self.order(task, Order::Remove);
        // Its last order.
        self.orders.remove(&task);
    }

    /// Gives no orders any more and waits for steps that are under way.
    pub(crate) async fn wind_down(mut self) {
        self.orders.clear();
        let finished = async { while self.lives.join_next().await.is_some() {} };
        if timeout(WIND_DOWN, finished).await.is_err() {
            warn!("steps are still under way after {WIND_DOWN:?}; they will be begun anew");
        }
    }

    fn order(&mut self, task: TaskId, order: Order) {
        while self.lives.try_join_next().is_some() {}
        let refused = match self.orders.get(&task) {
            Some(orders) => orders.send(order).err().map(|refused| refused.0),
            None => Some(order),
        };
        // A task that was found ended after a restart has no life yet.
        if let Some(order) = refused {
            // It takes the order: its receiver was just made.
            let _ = self.begin(task, Place::Empty, None).send(order);
        }
    }

    fn begin(&mut self, id: TaskId, place: Place, task: Option<Box<Task>>) -> &mpsc::UnboundedSender<Order> {
        let (sender, orders) = mpsc::unbounded_channel();
        let (node, outcomes) = (self.node.clone(), self.outcomes.clone());
        let known = node.payloads.known();
        let life = Life { id, known, node, place, task, probes: None, orders, outcomes };
        self.lives.spawn(life.run());
        self.orders.entry(id).insert_entry(sender).into_mut()
    }
}
