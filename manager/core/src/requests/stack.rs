//! Making and removing stacks: everything of one in one change, or nothing.

use super::{network, service};
use crate::{
    stacks,
    state::{Change, Expect, ObjectId, State, Transaction},
};
use proto::model::{
    Id, IdSource, Name, NetworkId, NetworkSpec, Problems, RolloutState, Service, ServiceId, ServiceMode,
    ServiceSpec, Stack, StackId, StackSpec, Timestamp, stack::stack_of,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The feature level from which on every manager knows stacks.
const FEATURE_LEVEL: u32 = 4;

/// Ids for whatever of a stack is not there yet, drawn by the caller.
#[derive(Debug, Clone)]
pub struct NewIds {
    /// The stack's.
    pub stack: StackId,
    /// The services', by name.
    pub services: BTreeMap<Name, ServiceId>,
    /// The networks', by name. What a spec attaches to by these is one of the stack's own networks.
    pub networks: BTreeMap<Name, NetworkId>,
}

impl NewIds {
    /// Draws an id for everything.
    pub fn draw(spec: &StackSpec, ids: &mut dyn IdSource) -> Self {
        let services = spec.services.iter().map(|one| one.spec.name.clone());
        let services = services.map(|name| (name, Id::from_bits(ids.next_bits()))).collect();
        let networks = spec.networks.iter().map(|network| network.name.clone());
        let networks = networks.map(|name| (name, Id::from_bits(ids.next_bits()))).collect();
        Self { stack: Id::from_bits(ids.next_bits()), services, networks }
    }
}

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct StackChange {
    /// Its name.
    pub name: Name,
    /// What becomes of it.
    pub action: Action,
    /// What kind of object it is.
    pub object: StackObject,
}

/// An object of a stack.
#[derive(Debug, Clone, PartialEq)]
pub enum StackObject {
    /// A network.
    Network,
    /// A service: what it is, and what it is to be.
    Service {
        /// What it is.
        before: Option<Arc<ServiceSpec>>,
        /// What it is to be.
        after: Option<Arc<ServiceSpec>>,
    },
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed.
    Remove,
}

/// How a stack becomes what is asked for.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The change of the state; it may change nothing.
    pub transaction: Transaction,
    /// What it does, to the reader.
    pub changes: Vec<StackChange>,
    /// The stack.
    pub stack: StackId,
    /// The state that it leads to.
    pub state: State,
}

/// Makes a stack what is asked for, or says everything that is in the way.
///
/// Each part is asked for as if alone, on what those before it left. So one part is refused for the same reasons as it
/// would be by itself, and all refusals are found.
pub fn apply(
    state: &State,
    spec: StackSpec,
    prune: bool,
    ids: &NewIds,
    now: Timestamp,
) -> Result<Applied, Problems> {
    let mut problems = Problems::default();
    let known = state.stack_named(&spec.name);
    if let Some(stack) = known.filter(|stack| stack.removing) {
        problems.add("STACK", format!("stack `{}` is being removed: try again in a moment", stack.spec.name));
        return Err(problems);
    }
    if state.cluster().is_some_and(|cluster| cluster.feature_level < FEATURE_LEVEL) {
        problems.add("STACK", "not every manager of the cluster knows stacks: upgrade all of them first");
        return Err(problems);
    }
    let mut work = Work {
        scratch: state.clone(),
        transaction: Transaction::default(),
        changes: Vec::new(),
        problems,
        now,
    };
    let mut spec = spec;
    for network in &spec.networks {
        work.network(&spec.name, network, ids);
    }
    for one in &mut spec.services {
        if one.keep_scale
            && let Some(present) = state.service_named(&one.spec.name)
            && let (ServiceMode::Replicated { .. }, ServiceMode::Replicated { .. }) =
                (present.spec.mode, one.spec.mode)
        {
            one.spec.mode = present.spec.mode;
        }
    }
    let mut waiting: BTreeSet<ServiceId> = known.map(|stack| stack.waiting.clone()).unwrap_or_default();
    for one in &spec.services {
        let created = work.service(&spec.name, &one.spec, ids);
        waiting.extend(created.filter(|_| !one.depends_on.is_empty()));
    }
    let (mut leaving, mut gone) = (BTreeSet::new(), BTreeSet::new());
    if let Some(stack) = known {
        let named: BTreeSet<&Name> = spec.networks.iter().map(|network| &network.name).collect();
        // One that was to go and is asked for again stays.
        let still =
            |id: &&NetworkId| state.network(**id).is_some_and(|network| !named.contains(&network.spec.name));
        leaving = stack.leaving.iter().filter(still).copied().collect();
        if prune {
            gone = work.remove_unnamed(stack, &spec);
            leaving.extend(work.leaving(stack, &named));
        }
    }
    waiting.retain(|id| !gone.contains(id));
    let id = known.map_or(ids.stack, |stack| stack.id);
    let stack = Stack {
        id,
        version: 0,
        created_at: known.map_or(now, |stack| stack.created_at),
        updated_at: now,
        spec: Arc::new(spec),
        waiting,
        leaving,
        removing: false,
    };
    let same = |known: &Arc<Stack>| {
        known.spec == stack.spec && known.waiting == stack.waiting && known.leaving == stack.leaving
    };
    if !known.is_some_and(same) {
        let expect = Expect { object: ObjectId::Stack(id), version: known.map_or(0, |stack| stack.version) };
        work.take(
            Ok::<_, Problems>(Transaction {
                expect: vec![expect],
                changes: vec![Change::PutStack(Box::new(stack))],
            }),
            "STACK",
        );
    }
    let Work { scratch, transaction, changes, problems, .. } = work;
    problems.finish(Applied { transaction, changes, stack: id, state: scratch })
}

/// What the removal of a stack removes.
#[derive(Debug, Clone)]
pub struct Removed {
    /// The change of the state.
    pub transaction: Transaction,
    /// The services' names.
    pub services: Vec<Name>,
    /// The networks' names.
    pub networks: Vec<Name>,
}

/// Removes a stack: its services at once, its networks and the stack itself as soon as the services have ended. A network
/// that something outside of the stack is in is in the way.
pub fn remove(state: &State, stack: &Stack, now: Timestamp) -> Result<Removed, Problems> {
    let mut problems = Problems::default();
    let mut transaction = Transaction::default();
    let mut removed =
        Removed { transaction: Transaction::default(), services: Vec::new(), networks: Vec::new() };
    for service in stacks::services_of(state, stack) {
        if !service.removing {
            let removal = service::remove(service, now);
            transaction.expect.extend(removal.expect);
            transaction.changes.extend(removal.changes);
        }
        removed.services.push(service.spec.name.clone());
    }
    let mut leaving = BTreeSet::new();
    for id in stacks::networks_of(state, stack) {
        check_leaving(state, stack.spec.name.as_str(), id, &mut problems);
        removed.networks.extend(state.network(id).map(|network| network.spec.name.clone()));
        leaving.insert(id);
    }
    transaction.expect.push(Expect { object: ObjectId::Stack(stack.id), version: stack.version });
    let stack = Stack { removing: true, leaving, waiting: BTreeSet::new(), updated_at: now, ..stack.clone() };
    transaction.changes.push(Change::PutStack(Box::new(stack)));
    problems.finish(Removed { transaction, ..removed })
}

/// Notes who is in a network that is to go, and does not go with it.
fn check_leaving(state: &State, stack: &str, id: NetworkId, problems: &mut Problems) {
    let Some(network) = state.network(id) else { return };
    // One that is being removed is in nobody's way for long.
    let is_other =
        |service: &&Arc<Service>| !service.removing && stack_of(&service.spec.labels) != Some(stack);
    let others = state.services_in(id).filter(is_other);
    let others: Vec<String> = others.map(|service| format!("service `{}`", service.spec.name)).collect();
    if !others.is_empty() {
        let message = format!(
            "it is in use by {}, outside of the stack: update or remove them first",
            others.join(", ")
        );
        problems.add(format!("network {}", network.spec.name), message);
    }
}

/// The parts so far, and the state that they lead to.
struct Work {
    scratch: State,
    transaction: Transaction,
    changes: Vec<StackChange>,
    problems: Problems,
    now: Timestamp,
}

impl Work {
    /// Adds a part, or notes why it is refused.
    fn take<E: std::fmt::Display>(&mut self, part: Result<Transaction, E>, field: &str) -> bool {
        let Some(part) = self.problems.take(field, part) else { return false };
        // What was asked for on a state applies to it; if not, the reason is said too.
        let applied = self.scratch.apply(&part);
        if self.problems.take(field, applied).is_none() {
            return false;
        }
        self.transaction.expect.extend(part.expect);
        self.transaction.changes.extend(part.changes);
        true
    }

    fn network(&mut self, stack: &Name, spec: &NetworkSpec, ids: &NewIds) {
        let field = format!("network {}", spec.name);
        let Some(present) = self.scratch.network_named(&spec.name).cloned() else {
            let Some(&id) = ids.networks.get(&spec.name) else { return };
            let made = network::create(&self.scratch, id, spec.clone(), self.now);
            if self.take(made, &field) {
                self.note(&spec.name, Action::Create, StackObject::Network);
            }
            return;
        };
        if stack_of(&present.spec.labels) != Some(stack.as_str()) {
            self.problems.add(field, "there is a network of this name that is not the stack's: write external: true to use it, or give the stack's another name");
        } else if present.spec != *spec {
            self.problems.add(field, format!(
                "a network can't be changed, and this one is to differ in {}: give it another name, or remove the stack first",
                differing(&present.spec, spec).join(", ")
            ));
        } else {
            self.note(&spec.name, Action::None, StackObject::Network);
        }
    }

    /// Creates or updates a service; says its id if it is new.
    fn service(&mut self, stack: &Name, spec: &ServiceSpec, ids: &NewIds) -> Option<ServiceId> {
        let field = format!("service {}", spec.name);
        let Some(present) = self.scratch.service_named(&spec.name).cloned() else {
            let id = *ids.services.get(&spec.name)?;
            let made = service::create(&self.scratch, id, spec.clone(), self.now);
            let object = StackObject::Service { before: None, after: Some(Arc::new(spec.clone())) };
            return self.take(made, &field).then(|| {
                self.note(&spec.name, Action::Create, object);
                id
            });
        };
        if stack_of(&present.spec.labels) != Some(stack.as_str()) {
            self.problems.add(field, "there is a service of this name that is not the stack's: rename one of them, or remove that one");
            return None;
        }
        // Tasks replaced by force are not to be replaced again.
        let mut spec = spec.clone();
        spec.task.force_update = present.spec.task.force_update;
        // Docker has it that asking again resumes.
        let paused = [RolloutState::Paused, RolloutState::RollbackPaused];
        let is_paused = present.rollout.as_ref().is_some_and(|rollout| paused.contains(&rollout.state));
        let object =
            StackObject::Service { before: Some(present.spec.clone()), after: Some(Arc::new(spec.clone())) };
        if *present.spec == spec && !is_paused {
            self.note(&spec.name, Action::None, object);
            return None;
        }
        let name = spec.name.clone();
        let updated = service::update(&self.scratch, &present, present.version, spec, self.now);
        if self.take(updated, &field) {
            self.note(&name, Action::Update, object);
        }
        None
    }

    /// Removes the services that a stack no longer names.
    fn remove_unnamed(&mut self, stack: &Stack, spec: &StackSpec) -> BTreeSet<ServiceId> {
        let is_named = |service: &Service| spec.services.iter().any(|one| one.spec.name == service.spec.name);
        let unnamed: Vec<Arc<Service>> = stacks::services_of(&self.scratch, stack)
            .filter(|service| !service.removing && !is_named(service))
            .cloned()
            .collect();
        for service in &unnamed {
            let name = &service.spec.name;
            if self.take(Ok::<_, Problems>(service::remove(service, self.now)), &format!("service {name}")) {
                let object = StackObject::Service { before: Some(service.spec.clone()), after: None };
                self.note(name, Action::Remove, object);
            }
        }
        unnamed.iter().map(|service| service.id).collect()
    }

    /// The networks that a stack no longer names.
    fn leaving(&mut self, stack: &Stack, named: &BTreeSet<&Name>) -> BTreeSet<NetworkId> {
        let mut leaving = BTreeSet::new();
        let own: Vec<NetworkId> = stacks::networks_of(&self.scratch, stack).collect();
        for id in own {
            let Some(name) = self.scratch.network(id).map(|network| network.spec.name.clone()) else {
                continue;
            };
            if !named.contains(&name) {
                check_leaving(&self.scratch, stack.spec.name.as_str(), id, &mut self.problems);
                if !stack.leaving.contains(&id) {
                    self.note(&name, Action::Remove, StackObject::Network);
                }
                leaving.insert(id);
            }
        }
        leaving
    }

    fn note(&mut self, name: &Name, action: Action, object: StackObject) {
        self.changes.push(StackChange { name: name.clone(), action, object });
    }
}

/// The parts in which two networks differ, as a Compose file calls them.
fn differing(one: &NetworkSpec, other: &NetworkSpec) -> Vec<&'static str> {
    [
        ("labels", one.labels != other.labels),
        ("enable_ipv6", one.ipv6 != other.ipv6),
        ("internal", one.internal != other.internal),
        ("attachable", one.attachable != other.attachable),
        ("ingress", one.ingress != other.ingress),
        ("ipam", one.ipv4_pool != other.ipv4_pool || one.ipv6_pool != other.ipv6_pool),
        ("its MTU", one.mtu != other.mtu),
        ("driver", one.kind != other.kind),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

#[cfg(test)]
#[path = "stack_tests.rs"]
mod tests;
