//! Things that happen to a cluster.

use crate::testing::{BROKEN_IMAGE, Bench, MISSING_IMAGE, ServiceBuilder, node, service};
use proptest::prelude::*;
use proto::model::{
    Availability, FailureAction, NodeId, RestartCondition, RolloutOrder, ServiceId, ServiceMode, Task,
    TaskState,
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

/// What a service is to be.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    global: bool,
    replicas: u32,
    start_first: bool,
    parallelism: u32,
    action: FailureAction,
    condition: RestartCondition,
    max_attempts: u32,
    gib: u64,
    port: Option<u16>,
    ssd: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let action =
        prop_oneof![Just(FailureAction::Pause), Just(FailureAction::Continue), Just(FailureAction::Rollback)];
    let condition = prop_oneof![3 => Just(RestartCondition::Any), 1 => Just(RestartCondition::OnFailure), 1 => Just(RestartCondition::None)];
    let shape = (prop::bool::weighted(0.3), 0u32..5, any::<bool>(), 0u32..3);
    let rest = (
        action,
        condition,
        0u32..3,
        0u64..3,
        prop::option::weighted(0.3, 80u16..82),
        prop::bool::weighted(0.3),
    );
    (shape, rest).prop_map(
        |(
            (global, replicas, start_first, parallelism),
            (action, condition, max_attempts, gib, port, ssd),
        )| {
            Wish {
                global,
                replicas,
                start_first,
                parallelism,
                action,
                condition,
                max_attempts,
                gib,
                port,
                ssd,
            }
        },
    )
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
}

impl World {
    pub fn new() -> Self {
        let mut world = World { bench: Bench::new(), made: 0 };
        world.happen(Event::AddNode { ssd: true });
        world.happen(Event::AddNode { ssd: false });
        world
    }

    /// Lets it happen; what makes no sense now does not.
    pub fn happen(&mut self, event: Event) {
        let bench = &mut self.bench;
        match event {
            Event::Create(wish) => {
                self.made += 1;
                if !holds_its_port_everywhere(bench, &wish) {
                    bench.create(wish.spec(self.made));
                }
            }
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
        for id in nodes(bench) {
            bench.edit_node(id, |node| node.spec.availability = Availability::Active);
        }
        for id in services(bench) {
            bench.update_image(id, "app:final");
        }
    }
}

impl Wish {
    fn spec(&self, number: u32) -> ServiceBuilder {
        let order = if self.start_first { RolloutOrder::StartFirst } else { RolloutOrder::StopFirst };
        let action = self.action;
        let mut spec = service(&format!("service-{number}"))
            .replicas(self.replicas)
            .order(order)
            .parallelism(self.parallelism)
            .update(|config| config.failure_action = action)
            .restart(|policy| {
                policy.condition = self.condition;
                policy.max_attempts = self.max_attempts;
            })
            .memory(self.gib << 30);
        if self.global {
            spec = spec.global();
        }
        if let Some(port) = self.port {
            spec = spec.host_port(port);
        }
        if self.ssd {
            spec = spec.constraint("node.labels.disk==ssd");
        }
        spec
    }
}

/// Whether the request would be refused because of a port.
fn holds_its_port_everywhere(bench: &Bench, wish: &Wish) -> bool {
    let spec = wish.spec(0).build();
    crate::requests::service::create(&bench.state, ServiceId::from_bits(0), spec, bench.now).is_err()
}

fn pick<T: Clone>(choices: Vec<T>, which: usize) -> Option<T> {
    choices.get(which.checked_rem(choices.len())?).cloned()
}

fn services(bench: &Bench) -> Vec<ServiceId> {
    bench.state.services().filter(|service| !service.removing).map(|service| service.id).collect()
}

fn nodes(bench: &Bench) -> Vec<NodeId> {
    bench.state.nodes().map(|node| node.id).collect()
}

fn running(bench: &Bench) -> Vec<Arc<Task>> {
    let is_running = |task: &&Arc<Task>| task.status.state == TaskState::Running;
    let is_heard = |task: &&Arc<Task>| task.node.is_some_and(|node| !bench.offline.contains(&node));
    bench.state.tasks().filter(is_running).filter(is_heard).cloned().collect()
}
