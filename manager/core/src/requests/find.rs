//! Finding what a person names: by id, by name, or by a part of an id that only one object begins with.

use crate::state::State;
use proto::model::{Id, Network, Node, Payload, PayloadKind, Service, SlotKey, Stack, Task, id::Kind};
use std::sync::Arc;

/// How many of the objects meant are listed.
const CANDIDATES_MAX: usize = 5;

/// What stands for networks that each node has by itself.
const NETWORKS_OF_NODES: [&str; 3] = ["bridge", "host", "none"];

/// Says why a name does not lead to one object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// None has it.
    #[error("{kind} `{name}` was not found")]
    NotFound {
        /// The kind of object.
        kind: &'static str,
        /// What was given.
        name: String,
    },
    /// It is no object of the cluster.
    #[error(
        "network `{0}` stands for a network of each node's own, which is neither shown nor changed: use it with 'shoal \
         service create --network {0}'"
    )]
    OfEachNode(String),
    /// Several have it.
    #[error("{kind} `{name}` is ambiguous: it may be {}{}; give a full id", candidates.join(", "), others(*found))]
    Ambiguous {
        /// The kind of object.
        kind: &'static str,
        /// What was given.
        name: String,
        /// The first few ids.
        candidates: Vec<String>,
        /// How many objects have it.
        found: usize,
    },
}

impl FindError {
    /// The same with another word for what was looked for.
    fn of_kind(self, kind: &'static str) -> Self {
        match self {
            Self::NotFound { name, .. } => Self::NotFound { kind, name },
            Self::Ambiguous { name, candidates, found, .. } => {
                Self::Ambiguous { kind, name, candidates, found }
            }
            Self::OfEachNode(name) => Self::OfEachNode(name),
        }
    }
}

fn others(found: usize) -> String {
    match found.checked_sub(CANDIDATES_MAX) {
        None | Some(0) => String::new(),
        Some(more) => format!(" or one of {more} others"),
    }
}

/// Finds a service by its id, its name, or the beginning of its id.
pub fn service<'a>(state: &'a State, name: &str) -> Result<&'a Arc<Service>, FindError> {
    let by_id = name.parse().ok().and_then(|id| state.service(id));
    let by_name = || name.parse().ok().and_then(|name| state.service_named(&name));
    match by_id.or_else(by_name) {
        Some(service) => Ok(service),
        None => by_prefix(state.services(), |service| service.id, name),
    }
}

/// Finds a node by its id, its host name, or the beginning of its id.
pub fn node<'a>(state: &'a State, name: &str) -> Result<&'a Arc<Node>, FindError> {
    if let Some(node) = name.parse().ok().and_then(|id| state.node(id)) {
        return Ok(node);
    }
    let is_named = |node: &&Arc<Node>| node.description.as_ref().is_some_and(|said| said.hostname == name);
    let named: Vec<&Arc<Node>> = state.nodes().filter(is_named).collect();
    match named[..] {
        [] => by_prefix(state.nodes(), |node| node.id, name),
        _ => only(named, |node| node.id, name),
    }
}

/// Finds a network by its id, its name, or the beginning of its id.
pub fn network<'a>(state: &'a State, name: &str) -> Result<&'a Arc<Network>, FindError> {
    let by_id = name.parse().ok().and_then(|id| state.network(id));
    let by_name = || name.parse().ok().and_then(|name| state.network_named(&name));
    match by_id.or_else(by_name) {
        Some(network) => Ok(network),
        None if NETWORKS_OF_NODES.contains(&name) => Err(FindError::OfEachNode(name.to_owned())),
        None => by_prefix(state.networks(), |network| network.id, name),
    }
}

/// Finds a secret or config by its id, its name, or the beginning of its id.
pub fn payload<'a>(state: &'a State, kind: PayloadKind, name: &str) -> Result<&'a Arc<Payload>, FindError> {
    let is_kind = |payload: &&Arc<Payload>| payload.spec.kind == kind;
    let by_id = name.parse().ok().and_then(|id| state.payload(id)).filter(is_kind);
    let by_name = || name.parse().ok().and_then(|name| state.payload_named(kind, &name));
    let found = by_id
        .or_else(by_name)
        .map_or_else(|| by_prefix(state.payloads().filter(is_kind), |payload| payload.id, name), Ok);
    found.map_err(|error| {
        error.of_kind(match kind {
            PayloadKind::Secret => "secret",
            PayloadKind::Config => "config",
        })
    })
}

/// Finds a stack by its id, its name, or the beginning of its id.
pub fn stack<'a>(state: &'a State, name: &str) -> Result<&'a Arc<Stack>, FindError> {
    let by_id = name.parse().ok().and_then(|id| state.stack(id));
    let by_name = || name.parse().ok().and_then(|name| state.stack_named(&name));
    match by_id.or_else(by_name) {
        Some(stack) => Ok(stack),
        None => by_prefix(state.stacks(), |stack| stack.id, name),
    }
}

/// Finds a task by its id, its full name (`SERVICE.SLOT.ID`), the beginning of its id, or as the newest of
/// its slot (`SERVICE.SLOT`).
pub fn task<'a>(state: &'a State, name: &str) -> Result<&'a Arc<Task>, FindError> {
    let id = name.rsplit_once('.').map_or(name, |(_, id)| id);
    let by_id =
        id.parse().ok().and_then(|id| state.task(id)).filter(|task| name == id || name == task.name());
    match by_id.or_else(|| in_slot(state, name)) {
        Some(task) => Ok(task),
        None => by_prefix(state.tasks(), |task| task.id, name),
    }
}

fn in_slot<'a>(state: &'a State, name: &str) -> Option<&'a Arc<Task>> {
    let (service, slot) = name.rsplit_once('.')?;
    let service = state.service_named(&service.parse().ok()?)?;
    let slot = SlotKey::try_from(slot.to_owned()).ok()?;
    let of_slot = state.tasks_of(service.id).filter(|task| task.slot == slot);
    of_slot.max_by_key(|task| (task.is_runnable(), task.created_at))
}

fn by_prefix<'a, T, K: Kind>(
    objects: impl Iterator<Item = &'a Arc<T>>,
    id: impl Fn(&T) -> Id<K>,
    prefix: &str,
) -> Result<&'a Arc<T>, FindError> {
    let matches = |object: &&Arc<T>| !prefix.is_empty() && id(object).to_string().starts_with(prefix);
    only(objects.filter(matches).collect(), id, prefix)
}

fn only<'a, T, K: Kind>(
    found: Vec<&'a Arc<T>>,
    id: impl Fn(&T) -> Id<K>,
    name: &str,
) -> Result<&'a Arc<T>, FindError> {
    let (kind, name) = (K::NAME, name.chars().take(100).collect());
    match found[..] {
        [] => Err(FindError::NotFound { kind, name }),
        [object] => Ok(object),
        _ => {
            let candidates = found.iter().take(CANDIDATES_MAX).map(|object| id(object).to_string()).collect();
            Err(FindError::Ambiguous { kind, name, candidates, found: found.len() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, node as a_node, service as a_service};

    #[test]
    fn a_service_is_found_by_id_name_and_prefix() {
        let mut bench = Bench::new();
        let web = bench.create(a_service("web"));
        for name in [web.to_string(), "web".to_owned(), web.to_string()[..8].to_owned()] {
            assert_eq!(service(&bench.state, &name).unwrap().id, web, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_named_in_the_error() {
        let bench = Bench::new();
        assert_eq!(service(&bench.state, "web").unwrap_err().to_string(), "service `web` was not found");
        assert_eq!(node(&bench.state, "").unwrap_err().to_string(), "node `` was not found");
        assert_eq!(task(&bench.state, "web.1.x").unwrap_err().to_string(), "task `web.1.x` was not found");
    }

    #[test]
    fn a_prefix_of_several_ids_is_refused_with_the_candidates() {
        let mut bench = Bench::new();
        let ids: Vec<String> = (1..=7).map(|n| bench.add(a_node(n)).to_string()).collect();
        let error = node(&bench.state, "00").unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&ids[..5].join(", ")) && text.contains("one of 2 others"), "{text}");
    }

    #[test]
    fn nodes_of_the_same_host_name_are_told_apart_by_id() {
        let mut bench = Bench::new();
        let ids = [1, 2].map(|n| bench.add(a_node(n)));
        for id in ids {
            bench.edit_node(id, |node| node.description.as_mut().unwrap().hostname = "twin".into());
        }
        assert!(matches!(node(&bench.state, "twin"), Err(FindError::Ambiguous { found: 2, .. })));
        assert_eq!(node(&bench.state, &ids[1].to_string()).unwrap().id, ids[1]);
    }

    #[test]
    fn a_task_is_found_by_its_full_name() {
        let mut bench = Bench::new();
        let web = bench.create(a_service("web").replicas(1));
        bench.pass();
        let known = bench.live(web)[0].clone();
        assert_eq!(task(&bench.state, &known.name()).unwrap().id, known.id);
        assert_eq!(task(&bench.state, "web.1").unwrap().id, known.id);
        assert!(task(&bench.state, &format!("db.1.{}", known.id)).is_err());
        assert!(task(&bench.state, "web.2").is_err());
    }
}
