//! What the managers have acknowledged stays, over changes of leader too, until somebody asks for
//! something else who has seen it.
//!
//! A request that nobody knows the outcome of may be done or not, and may still be done later; but not
//! after another one was, as it was not made from what that one left. Removing what somebody else has removed
//! meanwhile overwrites nothing.

use super::{Broken, Kept};
use crate::sim::requests::{Object, Request, RequestId};
use manager_core::state::{Change, State, Transaction};
use proto::model::{NetworkId, NetworkSpec, NodeId, NodeSpec, Service, ServiceId, ServiceSpec};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const PROMISE: &str = "acknowledged_changes_stay";

/// What is known of each object, from the first acknowledged request on.
#[derive(Debug, Default)]
pub struct Acknowledged {
    facts: BTreeMap<Object, Facts>,
    /// Requests about nothing that stays.
    passing: BTreeSet<RequestId>,
}

/// One of these holds, if the first is known.
#[derive(Debug, Default)]
struct Facts {
    /// What the last acknowledged request made of the object.
    known: Option<Fact>,
    /// What others make of it that were proposed after that one was done.
    possible: BTreeMap<RequestId, Fact>,
}

impl Facts {
    fn hold(&self, is_so: impl Fn(&Fact) -> bool) -> bool {
        self.known.as_ref().is_none_or(&is_so) || self.possible.values().any(is_so)
    }
}

/// What a request makes of an object.
#[derive(Debug, Clone, PartialEq)]
enum Fact {
    Service(Arc<ServiceSpec>),
    Node(NodeSpec),
    Network(NetworkSpec),
    /// It is gone, or going.
    Gone,
}

impl Acknowledged {
    /// Notes what is proposed for a request.
    pub fn proposed(&mut self, id: RequestId, request: &Request, proposed: &[Transaction]) {
        match (request.object(), fact_of(proposed)) {
            (Some(object), Some(fact)) => {
                self.facts.entry(object).or_default().possible.insert(id, fact);
            }
            (None, _) => drop(self.passing.insert(id)),
            (Some(_), None) => {}
        }
    }

    /// Notes that a request is done, which no other can be by now that was made from what there was
    /// before.
    pub fn committed(&mut self, id: RequestId) -> Kept {
        if self.passing.contains(&id) {
            return Ok(());
        }
        for facts in self.facts.values_mut() {
            if let Some(fact) = facts.possible.remove(&id) {
                facts.possible.retain(|_, other| fact == Fact::Gone && *other == Fact::Gone);
                facts.known = Some(fact);
                return Ok(());
            }
        }
        Err(Broken::new(PROMISE, format!("request {id} has overwritten what was done after it was made")))
    }

    /// Looks at a state that has everything that was ever acknowledged.
    pub fn check(&self, state: &State) -> Kept {
        self.facts.iter().try_for_each(|(object, facts)| match object {
            Object::Service(id) => check_service(state, *id, facts),
            Object::Network(id) => check_network(state, *id, facts),
            Object::Node(id) => check_node(state, *id, facts),
        })
    }
}

/// What is so of a request's object once its transactions are applied.
fn fact_of(proposed: &[Transaction]) -> Option<Fact> {
    let mut latest_first = proposed.iter().rev().flat_map(|transaction| transaction.changes.iter().rev());
    latest_first.find_map(fact_of_change)
}

fn fact_of_change(change: &Change) -> Option<Fact> {
    match change {
        Change::PutService(service) if service.removing => Some(Fact::Gone),
        Change::PutService(service) => Some(Fact::Service(service.spec.clone())),
        Change::PutNode(node) => Some(Fact::Node(node.spec.clone())),
        Change::PutNetwork(network) => Some(Fact::Network(network.spec.clone())),
        Change::DeleteNode(_) | Change::DeleteNetwork(_) => Some(Fact::Gone),
        _ => None,
    }
}

fn check_service(state: &State, id: ServiceId, facts: &Facts) -> Kept {
    let service = state.service(id).filter(|service| !service.removing);
    let is_so = |fact: &Fact| match (service, fact) {
        (None, fact) => *fact == Fact::Gone,
        (Some(_), Fact::Gone | Fact::Node(_) | Fact::Network(_)) => false,
        (Some(service), Fact::Service(spec)) => *spec == service.spec || went_back_by_itself(service),
    };
    match facts.hold(is_so) {
        true => Ok(()),
        false => {
            Err(Broken::new(PROMISE, format!("service {}: {service:?} instead of {facts:?}", id.short(6))))
        }
    }
}

/// Whether the managers have gone back to the spec before, as its failure action says.
fn went_back_by_itself(service: &Service) -> bool {
    service.rollout.as_ref().is_some_and(|rollout| rollout.cause.is_some())
}

fn check_node(state: &State, id: NodeId, facts: &Facts) -> Kept {
    let found = state.node(id).map_or(Fact::Gone, |node| Fact::Node(node.spec.clone()));
    match facts.hold(|fact| *fact == found) {
        true => Ok(()),
        false => Err(Broken::new(PROMISE, format!("node {}: {found:?} instead of {facts:?}", id.short(6)))),
    }
}

fn check_network(state: &State, id: NetworkId, facts: &Facts) -> Kept {
    let found = state.network(id).map_or(Fact::Gone, |network| Fact::Network(network.spec.clone()));
    match facts.hold(|fact| *fact == found) {
        true => Ok(()),
        false => {
            Err(Broken::new(PROMISE, format!("network {}: {found:?} instead of {facts:?}", id.short(6))))
        }
    }
}
