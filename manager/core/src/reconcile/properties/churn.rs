//! Things that happen to a cluster.

use super::{
    networks::NetworkEvent,
    payloads::PayloadEvent,
    stacks::StackEvent,
    wish::{Attached, Networks, Wish, attached, wish},
};
use crate::testing::{BROKEN_IMAGE, Bench, MISSING_IMAGE, ServiceBuilder, network_in, node};
use proptest::prelude::*;
use proto::model::{
    Availability, EndpointMode, NetworkAttachment, NetworkId, NodeId, ServiceId, ServiceMode, Task, TaskState,
};
use std::{sync::Arc, time::Duration};

/// One thing that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Create(Wish),
    Update { service: usize, image: usize },
    Scale { service: usize, replicas: u32 },
    Rollback { service: usize },
    Repeat { service: usize },
    Remove { service: usize },
    Attach { service: usize, networks: Attached },
    EndpointMode { service: usize, dnsrr: bool },
    Network(NetworkEvent),
    Payload(PayloadEvent),
    Stack(StackEvent),
    End { task: usize, state: TaskState },
    AddNode { ssd: bool },
    RemoveNode { node: usize },
    Availability { node: usize, availability: Availability },
    Label { node: usize, ssd: bool },
    Offline { node: usize },
    Online { node: usize },
    AgentsObey,
    Time { ms: u64 },
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let which = 0usize..100;
    let ends = prop_oneof![2 => Just(TaskState::Failed), 1 => Just(TaskState::Complete)];
    let availability =
        prop_oneof![Just(Availability::Active), Just(Availability::Pause), Just(Availability::Drain)];
    prop_oneof![
        3 => wish().prop_map(Event::Create),
        3 => (which.clone(), which.clone()).prop_map(|(service, image)| Event::Update { service, image }),
        2 => (which.clone(), 0u32..6).prop_map(|(service, replicas)| Event::Scale { service, replicas }),
        1 => which.clone().prop_map(|service| Event::Rollback { service }),
        1 => which.clone().prop_map(|service| Event::Repeat { service }),
        1 => which.clone().prop_map(|service| Event::Remove { service }),
        1 => (which.clone(), attached()).prop_map(|(service, networks)| Event::Attach { service, networks }),
        1 => (which.clone(), any::<bool>()).prop_map(|(service, dnsrr)| Event::EndpointMode { service, dnsrr }),
        4 => super::networks::event().prop_map(Event::Network),
        5 => super::payloads::event().prop_map(Event::Payload),
        3 => super::stacks::event().prop_map(Event::Stack),
        3 => (which.clone(), ends).prop_map(|(task, state)| Event::End { task, state }),
        2 => any::<bool>().prop_map(|ssd| Event::AddNode { ssd }),
        1 => which.clone().prop_map(|node| Event::RemoveNode { node }),
        2 => (which.clone(), availability).prop_map(|(node, availability)| Event::Availability { node, availability }),
        1 => (which.clone(), any::<bool>()).prop_map(|(node, ssd)| Event::Label { node, ssd }),
        1 => which.clone().prop_map(|node| Event::Offline { node }),
        2 => which.prop_map(|node| Event::Online { node }),
        6 => Just(Event::AgentsObey),
        4 => prop_oneof![0u64..2_000, 2_000u64..120_000, Just(25 * 3_600_000)].prop_map(|ms| Event::Time { ms }),
    ]
}

/// A cluster to which things happen.
pub(super) struct World {
    pub bench: Bench,
    made: u32,
    front: NetworkId,
    tiny: NetworkId,
}

impl World {
    pub fn new() -> Self {
        let mut bench = Bench::new();
        let front = bench.add_network(network_in("front", "10.1.0.0/24"));
        let tiny = bench.add_network(network_in("tiny", "10.2.0.0/29"));
        for name in ["key", "cert"] {
            bench.add_secret(name, "first content");
        }
        let mut world = World { bench, made: 0, front, tiny };
        world.happen(Event::AddNode { ssd: true });
        world.happen(Event::AddNode { ssd: false });
        world
    }

    /// Lets it happen; what makes no sense now does not.
    pub fn happen(&mut self, event: Event) {
        let ids = Networks { front: self.front, tiny: self.tiny };
        let bench = &mut self.bench;
        match event {
            Event::Create(wish) => {
                self.made += 1;
                let spec = wish.spec(self.made, ids);
                if !is_refused(bench, &spec) {
                    bench.create(spec);
                }
            }
            Event::Attach { service, networks } => {
                let Some(id) = pick(services(bench), service) else { return };
                let attach = |network| NetworkAttachment { network, aliases: Default::default() };
                bench.update(id, |spec| {
                    spec.task.attachments = ids.of(networks).into_iter().map(attach).collect();
                });
            }
            Event::EndpointMode { service, dnsrr } => {
                let Some(id) = pick(services(bench), service) else { return };
                let mode = if dnsrr { EndpointMode::Dnsrr } else { EndpointMode::Vip };
                bench.update(id, |spec| spec.endpoint_mode = mode);
            }
            Event::Network(event) => {
                self.made += 1;
                super::networks::happen(bench, event, self.made);
            }
            Event::Payload(event) => {
                self.made += 1;
                super::payloads::happen(bench, event, self.made);
            }
            Event::Stack(event) => super::stacks::happen(bench, event),
            Event::Update { service, image } => {
                let Some(id) = pick(services(bench), service) else { return };
                let images = ["app:1", "app:2", "app:3", BROKEN_IMAGE, MISSING_IMAGE];
                bench.update_image(id, images[image % images.len()]);
            }
            Event::Scale { service, replicas } => {
                let Some(id) = pick(services(bench), service) else { return };
                if bench.service(id).spec.mode != ServiceMode::Global {
                    bench.scale(id, replicas);
                }
            }
            Event::Rollback { service } => {
                let Some(id) = pick(services(bench), service) else { return };
                if bench.service(id).previous.is_some() {
                    bench.rollback(id);
                }
            }
            Event::Repeat { service } => {
                let Some(id) = pick(services(bench), service) else { return };
                bench.update(id, |_| {});
            }
            Event::Remove { service } => {
                let Some(id) = pick(services(bench), service) else { return };
                bench.remove(id);
            }
            Event::End { task, state } => {
                let Some(task) = pick(running(bench), task) else { return };
                bench.report(&task, state);
            }
            Event::AddNode { ssd } => {
                self.made += 1;
                let new = node(self.made).resources(4, 4 << 30);
                bench.add(if ssd { new.label("disk", "ssd") } else { new });
            }
            Event::RemoveNode { node } => {
                let Some(id) = pick(nodes(bench), node) else { return };
                bench.remove_node(id);
            }
            Event::Availability { node, availability } => {
                let Some(id) = pick(nodes(bench), node) else { return };
                bench.edit_node(id, |node| node.spec.availability = availability);
            }
            Event::Label { node, ssd } => {
                let Some(id) = pick(nodes(bench), node) else { return };
                let disk = if ssd { "ssd" } else { "hdd" };
                bench.edit_node(id, |node| drop(node.spec.labels.insert("disk".into(), disk.into())));
            }
            Event::Offline { node } => {
                let Some(id) = pick(nodes(bench), node) else { return };
                bench.offline.insert(id);
            }
            Event::Online { node } => {
                let Some(id) = pick(nodes(bench), node) else { return };
                bench.offline.remove(&id);
            }
            Event::AgentsObey => drop(bench.agents_obey()),
            Event::Time { ms } => bench.now = bench.now + Duration::from_millis(ms),
        }
    }

    /// Nothing fails any more, and every service is asked for something that works.
    pub fn calm_down(&mut self) {
        let bench = &mut self.bench;
        bench.offline.clear();
        super::networks::calm_down(bench);
        for id in nodes(bench) {
            bench.edit_node(id, |node| node.spec.availability = Availability::Active);
        }
        for id in services(bench) {
            bench.update_image(id, "app:final");
        }
    }

    /// Every service and every stack is removed.
    pub fn clear(&mut self) {
        for id in services(&self.bench) {
            self.bench.remove(id);
        }
        super::stacks::clear(&mut self.bench);
    }
}

/// Whether the request would be refused because of a port.
fn is_refused(bench: &Bench, spec: &ServiceBuilder) -> bool {
    let spec = spec.clone().build();
    crate::requests::service::create(&bench.state, ServiceId::from_bits(0), spec, bench.now).is_err()
}

pub(super) fn pick<T: Clone>(choices: Vec<T>, which: usize) -> Option<T> {
    choices.get(which.checked_rem(choices.len())?).cloned()
}

pub(super) fn services(bench: &Bench) -> Vec<ServiceId> {
    bench.state.services().filter(|service| !service.removing).map(|service| service.id).collect()
}

fn nodes(bench: &Bench) -> Vec<NodeId> {
    bench.state.nodes().map(|node| node.id).collect()
}

pub(super) fn running(bench: &Bench) -> Vec<Arc<Task>> {
    let is_running = |task: &&Arc<Task>| task.status.state == TaskState::Running;
    let is_heard = |task: &&Arc<Task>| task.node.is_some_and(|node| !bench.offline.contains(&node));
    bench.state.tasks().filter(is_running).filter(is_heard).cloned().collect()
}
