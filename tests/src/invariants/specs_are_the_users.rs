//! A spec is only ever one that a person wrote; a task is made for its service's.
//!
//! While an update has reached its canaries alone, the other slots get tasks of the spec before it.
//!
//! A rollback takes the replica count of the spec it replaces along, so the count may come from another
//! of the same person's specs than the rest.

use super::{Broken, Kept, Step};
use crate::sim::requests::Request;
use proto::model::{Node, NodeId, NodeSpec, PreviousSpec, Service, ServiceId, ServiceSpec, Task};
use std::{collections::BTreeMap, sync::Arc};

const PROMISE: &str = "specs_are_the_users";

/// The specs that people wrote, whether or not they got to the managers.
#[derive(Debug, Default)]
pub struct Written {
    services: BTreeMap<ServiceId, Vec<ServiceSpec>>,
    nodes: BTreeMap<NodeId, Vec<NodeSpec>>,
}

impl Written {
    /// Notes a request.
    pub fn asked(&mut self, request: &Request) {
        match request {
            Request::Create(id, spec) | Request::Update(id, spec, _) => {
                self.services.entry(*id).or_default().push((**spec).clone());
            }
            Request::SetNode(id, spec, _) => self.nodes.entry(*id).or_default().push(spec.clone()),
            Request::Join(node) => self.nodes.entry(node.id).or_default().push(node.spec.clone()),
            Request::Rollback(..)
            | Request::Control(..)
            | Request::Remove(_)
            | Request::RemoveNode(_)
            | Request::CreateNetwork(..)
            | Request::RemoveNetwork(_)
            | Request::Connect(..)
            | Request::Disconnect(..) => {}
        }
    }

    /// Looks at what a transaction changed.
    pub(super) fn check(&self, step: &Step<'_>) -> Kept {
        for id in step.services() {
            let Some(service) = step.after.service(id) else { continue };
            let unchanged = |before: &Arc<Service>| Arc::ptr_eq(&before.spec, &service.spec);
            if !step.before.service(id).is_some_and(unchanged) && !self.is_written(service) {
                let what =
                    format!("nobody wrote this spec of service {}: {:?}", service.spec.name, service.spec);
                return Err(Broken::new(PROMISE, what));
            }
        }
        for id in step.nodes() {
            let Some(node) = step.after.node(id) else { continue };
            let unchanged = |before: &Arc<Node>| before.spec == node.spec;
            let known = self.nodes.get(&id).is_some_and(|specs| specs.contains(&node.spec));
            if !step.before.node(id).is_some_and(unchanged) && !known {
                let what = format!("nobody wrote this spec of node {}: {:?}", id.short(6), node.spec);
                return Err(Broken::new(PROMISE, what));
            }
        }
        step.tasks()
            .filter(|task| step.before.task(task.id).is_none())
            .try_for_each(|task| made_for(step, task))
    }

    fn is_written(&self, service: &Service) -> bool {
        let specs = self.services.get(&service.id).map_or(&[][..], Vec::as_slice);
        let but_mode =
            |spec: &ServiceSpec| ServiceSpec { mode: service.spec.mode, ..spec.clone() } == *service.spec;
        specs.iter().any(|spec| spec.mode == service.spec.mode) && specs.iter().any(but_mode)
    }
}

fn made_for(step: &Step<'_>, task: &Task) -> Kept {
    let service = step.after.service(task.service);
    let of_present =
        |service: &Service| service.spec == task.spec && service.task_version == task.task_version;
    match service.is_some_and(|service| of_present(service) || is_of_spec_before(service, task)) {
        true => Ok(()),
        false => {
            Err(Broken::new(PROMISE, format!("task {} is not made for its service's spec", task.id.short(6))))
        }
    }
}

/// Whether a task has the spec that the slots beside the canaries keep.
fn is_of_spec_before(service: &Service, task: &Task) -> bool {
    let is_before =
        |previous: &PreviousSpec| previous.spec == task.spec && previous.task_version == task.task_version;
    let rollout = service.rollout.as_ref();
    let keeps = rollout.is_some_and(|rollout| {
        rollout.state.is_unsettled() && !rollout.promoted && !rollout.slots.contains_key(&task.slot)
    });
    keeps && service.spec.update.canary > 0 && service.previous.as_ref().is_some_and(is_before)
}
