//! What a person was told is done stays done, over changes of leader too, until somebody asks for
//! something else.
//!
//! A request whose answer got lost may be done or not, and may still be done later; but not after a
//! later one was acknowledged.

use super::{Broken, Kept};
use crate::sim::requests::{Object, Outcome, Request, RequestId};
use manager_core::state::{Change, State, Transaction};
use proto::model::{NodeId, NodeSpec, Rollout, Service, ServiceId, ServiceSpec};
use std::{collections::BTreeMap, sync::Arc};

const PROMISE: &str = "acknowledged_changes_stay";

/// What is known of each object, from the last acknowledged request on.
#[derive(Debug, Default)]
pub struct Acknowledged(BTreeMap<Object, Facts>);

/// One of these holds.
#[derive(Debug, Default)]
struct Facts {
    /// What the last acknowledged request made of the object, and what later ones may have made of it
    /// of which nobody knows what came.
    known: Vec<Fact>,
    /// What requests make of it that are under way.
    possible: BTreeMap<RequestId, Fact>,
}

impl Facts {
    fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.known.iter().chain(self.possible.values())
    }
}

/// What a request makes of an object.
#[derive(Debug, Clone, PartialEq)]
enum Fact {
    Service(Arc<ServiceSpec>),
    Node(NodeSpec),
    /// It is gone, or going.
    Gone,
}

impl Acknowledged {
    /// Notes what is proposed for a request. Of an object of which nothing is known it says nothing.
    pub fn proposed(&mut self, id: RequestId, request: &Request, proposed: &[Transaction]) {
        if let Some(facts) = self.0.get_mut(&request.object())
            && let Some(fact) = fact_of(proposed)
        {
            facts.possible.insert(id, fact);
        }
    }

    /// Notes what a person knows of a request.
    pub fn answered(&mut self, id: RequestId, request: &Request, proposed: &[Transaction], outcome: Outcome) {
        let possible = self.0.get_mut(&request.object()).and_then(|facts| facts.possible.remove(&id));
        match outcome {
            Outcome::Done => {
                let facts = self.0.entry(request.object()).or_default();
                facts.known = fact_of(proposed).into_iter().collect();
            }
            Outcome::Unknown => {
                if let Some(facts) = self.0.get_mut(&request.object()) {
                    facts.known.extend(possible);
                }
            }
            Outcome::Refused | Outcome::Waiting => {}
        }
    }

    /// Looks at a state that has everything that was ever acknowledged.
    pub fn check(&self, state: &State) -> Kept {
        self.0.iter().try_for_each(|(object, facts)| match object {
            Object::Service(id) => check_service(state, *id, facts),
            Object::Node(id) => check_node(state, *id, facts),
        })
    }
}

/// What is so of a request's object once its transactions are applied.
fn fact_of(proposed: &[Transaction]) -> Option<Fact> {
    let changes = proposed.iter().flat_map(|transaction| &transaction.changes);
    changes.filter_map(fact_of_change).last()
}

fn fact_of_change(change: &Change) -> Option<Fact> {
    match change {
        Change::PutService(service) if service.removing => Some(Fact::Gone),
        Change::PutService(service) => Some(Fact::Service(service.spec.clone())),
        Change::PutNode(node) => Some(Fact::Node(node.spec.clone())),
        Change::DeleteNode(_) => Some(Fact::Gone),
        _ => None,
    }
}

fn check_service(state: &State, id: ServiceId, facts: &Facts) -> Kept {
    let holds = match state.service(id).filter(|service| !service.removing) {
        None => facts.iter().any(|fact| *fact == Fact::Gone),
        Some(service) => {
            let is_it = |fact: &Fact| matches!(fact, Fact::Service(spec) if *spec == service.spec);
            facts.iter().any(is_it) || (rolled_back_by_itself(service) && facts.iter().any(|fact| *fact != Fact::Gone))
        }
    };
    match holds {
        true => Ok(()),
        false => {
            let found = state.service(id).map(|service| (&service.spec, service.removing));
            Err(Broken::new(PROMISE, format!("service {}: {found:?} instead of {facts:?}", id.short(6))))
        }
    }
}

/// Whether the managers have gone back to the spec before, as its failure action says.
fn rolled_back_by_itself(service: &Service) -> bool {
    service.rollout.as_ref().is_some_and(|rollout: &Rollout| rollout.cause.is_some())
}

fn check_node(state: &State, id: NodeId, facts: &Facts) -> Kept {
    let found = state.node(id).map_or(Fact::Gone, |node| Fact::Node(node.spec.clone()));
    match facts.iter().any(|fact| *fact == found) {
        true => Ok(()),
        false => Err(Broken::new(PROMISE, format!("node {}: {found:?} instead of {facts:?}", id.short(6)))),
    }
}
