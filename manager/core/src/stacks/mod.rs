//! Stacks: which services wait for others before they are started, and what goes when a stack, or a part of it, was
//! removed.
//!
//! A service waits only before its first start. Once what it depends on has come far enough it is let go for good, so
//! that a database which fails later does not take the services that need it along. Its tasks are made all the same, and
//! say what they wait for.

mod conditions;
mod foresight;

pub use foresight::{Foreseen, TASKS_MAX, foresee};

use crate::{
    Decision,
    state::{Change, Expect, Holder, ObjectId, State},
};
use proto::model::{NetworkId, Service, ServiceId, Stack, StackDependency, Task, stack::stack_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Lets services go whose dependencies have come far enough, and forgets networks and stacks of which nothing is left.
pub fn decide(state: &State) -> Decision {
    let mut decision = Decision::default();
    for stack in state.stacks() {
        let expect = Some(Expect { object: ObjectId::Stack(stack.id), version: stack.version });
        let still = |id: &&ServiceId| {
            let service = state.service(**id).filter(|service| !service.removing);
            service.is_some_and(|service| unmet(state, stack, service).next().is_some())
        };
        let waiting: BTreeSet<ServiceId> = stack.waiting.iter().filter(still).copied().collect();
        let (gone, leaving): (Vec<NetworkId>, Vec<NetworkId>) =
            stack.leaving.iter().copied().partition(|&id| is_unused(state, id));
        let there = gone.into_iter().filter(|&id| state.network(id).is_some());
        let mut changes: Vec<Change> = there.map(Change::DeleteNetwork).collect();
        if stack.removing && leaving.is_empty() && services_of(state, stack).next().is_none() {
            changes.push(Change::DeleteStack(stack.id));
        } else if waiting != stack.waiting || leaving.len() != stack.leaving.len() {
            let leaving = leaving.into_iter().collect();
            changes.push(Change::PutStack(Box::new(Stack { waiting, leaving, ..Stack::clone(stack) })));
        }
        decision.propose(expect, changes);
    }
    decision
}

/// The services that are not to be started yet, and what they wait for, in words.
pub fn waiting(state: &State) -> BTreeMap<ServiceId, String> {
    let mut waiting = BTreeMap::new();
    for stack in state.stacks() {
        for service in stack.waiting.iter().filter_map(|&id| state.service(id)) {
            let unmet: Vec<String> = unmet(state, stack, service).map(conditions::in_words).collect();
            if !unmet.is_empty() {
                waiting.insert(service.id, format!("waiting for {}", unmet.join(" and for ")));
            }
        }
    }
    waiting
}

/// The services that belong to a stack, those included that are being removed.
pub fn services_of<'a>(state: &'a State, stack: &'a Stack) -> impl Iterator<Item = &'a Arc<Service>> {
    let name = stack.spec.name.as_str();
    state.services().filter(move |service| stack_of(&service.spec.labels) == Some(name))
}

/// The networks that belong to a stack.
pub fn networks_of<'a>(state: &'a State, stack: &'a Stack) -> impl Iterator<Item = NetworkId> + 'a {
    let name = stack.spec.name.as_str();
    let own = state.networks().filter(move |network| stack_of(&network.spec.labels) == Some(name));
    own.map(|network| network.id)
}

/// What a service depends on that has not come far enough.
fn unmet<'a>(
    state: &'a State,
    stack: &'a Stack,
    service: &'a Service,
) -> impl Iterator<Item = &'a StackDependency> {
    let asked = stack.spec.services.iter().find(|one| one.spec.name == service.spec.name);
    let dependencies = asked.into_iter().flat_map(|one| &one.depends_on);
    dependencies.filter(|dependency| !conditions::is_met(state, dependency))
}

/// Whether nothing is in a network, or on its way there: no service, no holder of an address, and no task that was made
/// for an older spec and waits for a node.
fn is_unused(state: &State, id: NetworkId) -> bool {
    let attaches = |task: &Arc<Task>| {
        task.is_runnable() && task.spec.task.attachments.iter().any(|attachment| attachment.network == id)
    };
    state.services_in(id).next().is_none()
        && !state.held_in(id).any(|(_, holder)| !matches!(holder, Holder::Node(_)))
        && !state.tasks().any(attaches)
}
