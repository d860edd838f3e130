//! A cluster in memory: a state, a clock that stands still unless moved, and agents that obey.

use super::{NodeBuilder, ServiceBuilder, StackBuilder, agents, cluster};
use crate::{
    Decision, ipam,
    liveness::{Contact, Liveness},
    networks::Tables,
    orchestrator::slots::is_live,
    reconcile,
    requests::{
        find, network as network_requests, node as node_requests, payload as payload_requests,
        service::{self as service_requests, Control},
        stack::{self as stack_requests, Action, NewIds},
    },
    state::{Change, State, Transaction},
    updater::GoBack,
};
use proto::model::{
    Availability, Cluster, Content, Id, IdSource, NetworkId, NetworkSpec, Node, NodeId, Payload, PayloadId,
    PayloadKind, PayloadSpec, Roll, Service, ServiceId, ServiceMode, ServiceSpec, Task, TaskState,
    TaskStatus, Timestamp,
};
use std::{cell::RefCell, collections::BTreeSet, sync::Arc, time::Duration};

/// The longest wait that [`Bench::settle`] sits out. It is longer than any restart delay, and shorter
/// than what makes tasks of a lost node orphans.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A cluster in memory.
#[derive(Debug)]
pub struct Bench {
    /// What the managers agree on.
    pub state: State,
    /// The time.
    pub now: Timestamp,
    /// What the leader heard of the nodes.
    pub liveness: Liveness,
    /// The nodes that can't be heard.
    pub offline: BTreeSet<NodeId>,
    ids: Ids,
    tables: RefCell<Tables>,
}

/// Ids that are the same in each run, and in no order.
#[derive(Debug)]
struct Ids(u128);

impl IdSource for Ids {
    fn next_bits(&mut self) -> u128 {
        self.0 += 1;
        // An odd factor makes no two products alike.
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// A cluster without nodes.
    pub fn new() -> Self {
        let mut bench = Self {
            state: State::default(),
            now: Timestamp(1_000_000),
            liveness: Liveness { leader_since: Timestamp(1_000_000), ..Liveness::default() },
            offline: BTreeSet::new(),
            ids: Ids(0),
            tables: RefCell::default(),
        };
        bench.change(Change::PutCluster(Box::new(cluster())));
        let ingress = ipam::ingress_network(&bench.state, Id::from_bits(1), bench.now);
        bench.change(Change::PutNetwork(Box::new(ingress.expect("there is none before"))));
        bench
    }

    /// Applies a transaction, which must be good.
    pub fn apply(&mut self, transaction: &Transaction) {
        self.state.apply(transaction).expect("the bench's transactions apply");
    }

    /// Makes one change.
    pub fn change(&mut self, change: Change) {
        self.apply(&Transaction::of(vec![change]));
    }

    /// Lets one loop decide, and applies what it decides.
    pub fn decide(
        &mut self,
        decide: impl FnOnce(&State, Timestamp, &mut dyn IdSource) -> Decision,
    ) -> Decision {
        let decision = decide(&self.state, self.now, &mut self.ids);
        for transaction in &decision.transactions {
            self.apply(transaction);
        }
        decision
    }

    /// Makes one pass, in which the leader has just heard from every node that is online.
    pub fn pass(&mut self) -> Decision {
        let online: Vec<NodeId> = self.online().collect();
        for node in online {
            self.hear(node);
        }
        let liveness = self.liveness.clone();
        self.decide(|state, now, ids| reconcile::pass(state, now, ids, &liveness))
    }

    /// Lets the agents do one step; says whether there was one.
    pub fn agents_obey(&mut self) -> bool {
        let report = agents::report(&self.state, &self.offline, self.now);
        self.apply(&report);
        !report.changes.is_empty()
    }

    /// Lets managers and agents work until there is nothing left to do or to wait for; says how much
    /// time that took. Panics if it takes too many steps.
    pub fn settle(&mut self) -> Duration {
        let began = self.now;
        self.work_until(None);
        self.now.since(began)
    }

    /// Lets managers and agents work for some time.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        self.work_until(Some(end));
        self.now = end;
    }

    fn work_until(&mut self, end: Option<Timestamp>) {
        for _ in 0..10_000 {
            let decision = self.pass();
            if self.agents_obey() || !decision.is_empty() {
                continue;
            }
            // Nodes that are online go on calling, so only other wakes count.
            let wake = self.next_wake().filter(|at| at.since(self.now) <= PATIENCE);
            match wake.filter(|&at| end.is_none_or(|end| at <= end)) {
                Some(at) => self.now = at,
                None => return,
            }
        }
        panic!("the cluster does not settle");
    }

    fn next_wake(&mut self) -> Option<Timestamp> {
        let mut liveness = self.liveness.clone();
        for node in self.online() {
            liveness.contacts.entry(node).or_default().last_heard = Some(self.now + 10 * PATIENCE);
        }
        reconcile::pass(&self.state, self.now, &mut self.ids, &liveness).wake_at
    }

    fn online(&self) -> impl Iterator<Item = NodeId> {
        self.state.nodes().map(|node| node.id).filter(|id| !self.offline.contains(id))
    }

    /// Lets the leader hear from a node.
    pub fn hear(&mut self, node: NodeId) {
        let contact = Contact { last_heard: Some(self.now), connected: true, goodbye: false };
        self.liveness.contacts.insert(node, contact);
    }

    /// What nodes know of networks, as the bench's state has it. What has not changed since the last
    /// time is shared.
    pub fn tables(&self) -> Tables {
        let mut tables = self.tables.borrow_mut();
        *tables = tables.next(&self.state);
        tables.clone()
    }

    /// What the leader knows of a node's connection.
    pub fn contact(&mut self, node: NodeId) -> &mut Contact {
        self.liveness.contacts.entry(node).or_default()
    }

    /// Adds a node, from which the leader hears.
    pub fn add(&mut self, node: NodeBuilder) -> NodeId {
        let node = node.build();
        let id = node.id;
        self.change(Change::PutNode(Box::new(node)));
        self.hear(id);
        id
    }

    /// Changes a node.
    pub fn edit_node(&mut self, id: NodeId, edit: impl FnOnce(&mut Node)) {
        let mut node = Node::clone(self.state.node(id).expect("the node is there"));
        edit(&mut node);
        self.change(Change::PutNode(Box::new(node)));
    }

    /// Changes the cluster.
    pub fn edit_cluster(&mut self, edit: impl FnOnce(&mut Cluster)) {
        let mut cluster = Cluster::clone(self.state.cluster().expect("the bench makes a cluster"));
        edit(&mut cluster);
        self.change(Change::PutCluster(Box::new(cluster)));
    }

    /// Drains a node.
    pub fn drain(&mut self, node: NodeId) {
        self.edit_node(node, |node| node.spec.availability = Availability::Drain);
    }

    /// Removes a node by force.
    pub fn remove_node(&mut self, id: NodeId) {
        let node = self.state.node(id).expect("the node is there").clone();
        for transaction in
            node_requests::remove(&self.state, &node, true, self.now).expect("it may be removed")
        {
            self.apply(&transaction);
        }
    }

    /// Creates a network.
    pub fn add_network(&mut self, spec: NetworkSpec) -> NetworkId {
        let id = Id::from_bits(self.ids.next_bits());
        let created = network_requests::create(&self.state, id, spec, self.now);
        self.apply(&created.expect("it can be created"));
        id
    }

    /// Creates a secret.
    pub fn add_secret(&mut self, name: &str, content: &str) -> PayloadId {
        let id = Id::from_bits(self.ids.next_bits());
        let spec = PayloadSpec {
            kind: PayloadKind::Secret,
            name: name.parse().expect("tests use good names"),
            labels: Default::default(),
            templated: false,
        };
        let content = Content::checked(content.into());
        let created = payload_requests::create(&self.state, id, spec, content, self.now);
        self.apply(&created.expect("it can be created"));
        id
    }

    /// A secret or config that is there.
    pub fn payload(&self, id: PayloadId) -> Arc<Payload> {
        self.state.payload(id).expect("the payload is there").clone()
    }

    /// Gives a secret or config a new content; names the services that it gets to.
    pub fn update_payload(&mut self, id: PayloadId, content: &str, roll: Roll) -> Vec<String> {
        let edit = payload_requests::Edit {
            content: Some((Content::checked(content.into()), roll)),
            spec: None,
            version: 0,
        };
        let updated = payload_requests::update(&self.state, &self.payload(id), edit, self.now);
        let (transaction, services) = updated.expect("it can be updated");
        self.apply(&transaction);
        services
    }

    /// Creates a service.
    pub fn create(&mut self, service: ServiceBuilder) -> ServiceId {
        let id = Id::from_bits(self.ids.next_bits());
        let spec = service.build();
        self.apply(&service_requests::create(&self.state, id, spec, self.now).expect("it can be created"));
        id
    }

    /// Draws ids for whatever of a stack is not there yet.
    pub fn stack_ids(&mut self, stack: &StackBuilder) -> NewIds {
        NewIds::draw(&stack.clone().build(), &mut self.ids)
    }

    /// Makes a stack what is asked for; says what that changes, or why not.
    pub fn deploy(&mut self, stack: StackBuilder, prune: bool) -> Result<Vec<(String, Action)>, String> {
        let ids = self.stack_ids(&stack);
        self.deploy_as(stack, prune, &ids)
    }

    /// The same with these ids.
    pub fn deploy_as(
        &mut self,
        stack: StackBuilder,
        prune: bool,
        ids: &NewIds,
    ) -> Result<Vec<(String, Action)>, String> {
        let applied = stack_requests::apply(&self.state, stack.build(), prune, ids, self.now);
        let applied = applied.map_err(|problems| problems.to_string())?;
        self.apply(&applied.transaction);
        Ok(applied.changes.into_iter().map(|change| (change.name.to_string(), change.action)).collect())
    }

    /// A service that is there.
    pub fn service(&self, id: ServiceId) -> Arc<Service> {
        find::service(&self.state, &id.to_string()).expect("the service is there").clone()
    }

    /// Updates a service.
    pub fn update(&mut self, id: ServiceId, change: impl FnOnce(&mut ServiceSpec)) {
        let service = self.service(id);
        let mut spec = ServiceSpec::clone(&service.spec);
        change(&mut spec);
        let update = service_requests::update(&self.state, &service, service.version, spec, self.now);
        self.apply(&update.expect("it can be updated"));
    }

    /// Updates a service's image.
    pub fn update_image(&mut self, id: ServiceId, image: &str) {
        self.update(id, |spec| spec.task.container.image = image.into());
    }

    /// Changes a service's replica count.
    pub fn scale(&mut self, id: ServiceId, replicas: u32) {
        self.update(id, |spec| spec.mode = ServiceMode::Replicated { replicas });
    }

    /// Rolls a service back.
    pub fn rollback(&mut self, id: ServiceId) {
        self.go_back(id, GoBack::default()).expect("there is a previous spec");
    }

    /// Rolls a service back to any spec that it had; says why not.
    pub fn go_back(&mut self, id: ServiceId, back: GoBack) -> Result<(), String> {
        let rollback = service_requests::rollback(&self.state, &self.service(id), back, self.now);
        self.apply(&rollback.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Pauses, resumes, promotes or cancels a rollout; says why not.
    pub fn control(&mut self, id: ServiceId, control: Control) -> Result<(), String> {
        let change = service_requests::control(&self.state, &self.service(id), control, self.now);
        self.apply(&change.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Removes a service.
    pub fn remove(&mut self, id: ServiceId) {
        self.apply(&service_requests::remove(&self.service(id), self.now));
    }

    /// The tasks of a service.
    pub fn tasks(&self, service: ServiceId) -> Vec<Arc<Task>> {
        self.state.tasks_of(service).cloned().collect()
    }

    /// The tasks of a service that are meant to be ready or to run.
    pub fn live(&self, service: ServiceId) -> Vec<Arc<Task>> {
        self.state.tasks_of(service).filter(|task| is_live(task)).cloned().collect()
    }

    /// The observed states of a service's tasks, by slot.
    pub fn states(&self, service: ServiceId) -> Vec<TaskState> {
        self.state.tasks_of(service).map(|task| task.status.state).collect()
    }

    /// Reports a task.
    pub fn report(&mut self, task: &Task, state: TaskState) {
        let status = TaskStatus { state, ..TaskStatus::new(self.now) };
        self.change(Change::ReportStatus { task: task.id, status });
    }

    /// Lets the task in a service's first slot that runs fail.
    pub fn fail_one(&mut self, service: ServiceId) {
        let live = self.live(service);
        let running = live.iter().find(|task| task.status.state == TaskState::Running).expect("a task runs");
        self.report(running, TaskState::Failed);
    }
}
