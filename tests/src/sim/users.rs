//! The people in front of a cluster: now and then one of them wants something.

use super::{happening::Happening, hosts::Host, requests::Request, wishes, world::World};
use manager_core::{requests::service::Control, testing::network_spec, updater::GoBack};
use proto::model::{
    Availability, Id, IdSource, Network, NetworkId, NetworkSpec, Node, NodeId, NodeSpec, NodeState,
    NodeStatus, Role, RolloutState, Service, ServiceId, Task, TaskState,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Services that are asked for before anything else.
const SERVICES_AT_FIRST: u64 = 3;
/// Services that there are at the same time, at most.
const SERVICES_MAX: usize = 7;
/// Networks that people make, at most at the same time.
const NETWORKS_MAX: usize = 3;
/// Machines that there ever are, at most.
const HOSTS_MAX: usize = 12;

impl World {
    /// Somebody wants something, and somebody else will before long.
    pub(super) fn user_acts(&mut self) {
        if self.quiet {
            return;
        }
        let pause = self.rng.millis(100, 6_000);
        self.after(pause, Happening::UserActs);
        // A cluster without services is of little interest.
        let request = match self.requested < SERVICES_AT_FIRST {
            true => Some(self.new_service()),
            false => self.any_request(),
        };
        if let Some(request) = request {
            self.ask(request.clone());
            // Now and then two people have the same idea at the same time.
            if self.rng.chance(10) && !matches!(request, Request::Join(_)) {
                self.ask(request);
            }
        }
    }

    fn any_request(&mut self) -> Option<Request> {
        let state = self.group.state.clone();
        let services: Vec<&Arc<Service>> = state.services().filter(|service| !service.removing).collect();
        let nodes: Vec<&Arc<Node>> = state.nodes().collect();
        let service = self.rng.pick(&services);
        let node = self.rng.pick(&nodes);
        match self.rng.between(0, 99) {
            0..=19 => (services.len() < SERVICES_MAX).then(|| self.new_service()),
            20..=29 => self.connection_request(),
            30..=64 => service.map(|it| {
                Request::Update(it.id, Box::new(wishes::changed(&it.spec, &state, &mut self.rng)), it.version)
            }),
            65..=68 => service.map(|it| self.rollback(it)),
            69..=71 => service.map(|it| self.control(it)),
            72..=76 => service.map(|it| Request::Remove(it.id)),
            77..=89 => node.map(|it| self.new_availability(it)),
            90 => node.map(|it| self.new_label(it)),
            91..=94 => self.network_request(),
            95..=96 => node.filter(|_| nodes.len() > 2).map(|it| Request::RemoveNode(it.id)),
            _ => (self.hosts.len() < HOSTS_MAX).then(|| self.new_machine()),
        }
    }

    fn new_service(&mut self) -> Request {
        let id: ServiceId = Id::from_bits(self.rng.next_bits());
        // Names are used again, also while the service that had one is still being removed.
        let name = format!("s{}", self.rng.between(1, 2 * SERVICES_MAX as u64));
        let mut spec = wishes::any_service(&name, &mut self.rng);
        spec.task.attachments = wishes::some_networks(&self.group.state, &mut self.rng);
        Request::Create(id, Box::new(spec))
    }

    /// Back to the spec before, or to any that is known.
    fn rollback(&mut self, service: &Service) -> Request {
        let known: Vec<u64> = service.revisions.iter().map(|revision| revision.mark.number).collect();
        let to = self.rng.pick(&known).filter(|_| self.rng.chance(40));
        Request::Rollback(service.id, GoBack { to, with_replicas: self.rng.chance(20) })
    }

    /// What somebody does who looks at a rollout.
    fn control(&mut self, service: &Service) -> Request {
        let choices = match service.rollout.as_ref().map(|rollout| rollout.state) {
            Some(RolloutState::Held) => [Control::Promote, Control::Promote, Control::Cancel],
            Some(RolloutState::Paused | RolloutState::RollbackPaused) => {
                [Control::Resume, Control::Resume, Control::Cancel]
            }
            _ => [Control::Pause, Control::Promote, Control::Cancel],
        };
        Request::Control(service.id, self.rng.pick(&choices).unwrap_or(Control::Resume))
    }

    /// Networks come, and go if nobody uses them.
    fn network_request(&mut self) -> Option<Request> {
        let state = self.group.state.clone();
        let was_made = |network: &&Arc<Network>| self.made_networks.contains(&network.id);
        let made: Vec<&Arc<Network>> = state.networks().filter(was_made).collect();
        if self.rng.chance(40) || made.is_empty() {
            let id: NetworkId = Id::from_bits(self.rng.next_bits());
            // Names are used again.
            let name = format!("n{}", self.rng.between(1, NETWORKS_MAX as u64));
            let spec = NetworkSpec { attachable: true, ..network_spec(&name) };
            let has_room = made.len() < NETWORKS_MAX;
            self.made_networks.insert(id);
            return has_room.then(|| Request::CreateNetwork(id, Box::new(spec)));
        }
        self.rng.pick(&made).map(|network| Request::RemoveNetwork(network.id))
    }

    /// A task that runs is connected to a network, or disconnected.
    fn connection_request(&mut self) -> Option<Request> {
        let state = self.group.state.clone();
        let runs = |task: &&Arc<Task>| task.status.state == TaskState::Running;
        let running: Vec<&Arc<Task>> = state.tasks().filter(runs).collect();
        let connected: Vec<&Arc<Task>> =
            running.iter().copied().filter(|task| !task.connections.is_empty()).collect();
        if let Some(task) = self.rng.pick(&connected).filter(|_| self.rng.chance(50)) {
            return Some(Request::Disconnect(task.id, task.connections[0].network));
        }
        let attachable: Vec<&Arc<Network>> =
            state.networks().filter(|network| network.spec.attachable).collect();
        let (task, network) = (self.rng.pick(&running)?, self.rng.pick(&attachable)?);
        Some(Request::Connect(task.id, network.id))
    }

    fn new_availability(&mut self, node: &Node) -> Request {
        let choices = [Availability::Active, Availability::Active, Availability::Drain, Availability::Pause];
        let availability = self.rng.pick(&choices).unwrap_or(Availability::Active);
        Request::SetNode(node.id, NodeSpec { availability, ..node.spec.clone() }, node.version)
    }

    fn new_label(&mut self, node: &Node) -> Request {
        let disk = self.rng.pick(&["ssd", "hdd"]).unwrap_or("ssd");
        let labels = BTreeMap::from([("disk".to_owned(), disk.to_owned())]);
        Request::SetNode(node.id, NodeSpec { labels, ..node.spec.clone() }, node.version)
    }

    fn new_machine(&mut self) -> Request {
        let id: NodeId = Id::from_bits(self.rng.next_bits());
        let offset = self.any_clock_offset_ms();
        self.hosts.push(Host::new(self.hosts.len(), id, offset));
        let host = self.hosts.len() - 1;
        // Its daemon calls until the managers know it.
        self.after(Duration::from_millis(100), Happening::DaemonStarts { host });
        Request::Join(Box::new(newcomer(id)))
    }

    /// How far a machine's clock is off: mostly not at all, sometimes by hours.
    pub(super) fn any_clock_offset_ms(&mut self) -> i64 {
        let hour = 3_600_000;
        match self.rng.between(0, 9) {
            0 => 5 * hour,
            1 => -5 * hour,
            _ => i64::try_from(self.rng.between(0, 400)).expect("it is small") - 200,
        }
    }
}

/// A node as it is when it joins.
pub(super) fn newcomer(id: NodeId) -> Node {
    let now = Default::default();
    Node {
        id,
        version: 0,
        created_at: now,
        updated_at: now,
        spec: NodeSpec { labels: BTreeMap::new(), role: Role::Worker, availability: Availability::Active },
        description: None,
        status: NodeStatus { state: NodeState::Unknown, message: String::new(), addr: None, since: now },
        manager: None,
    }
}
