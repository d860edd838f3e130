//! Stacks: services and networks that are asked for, and removed, as one.

use super::{Name, NetworkId, NetworkSpec, ServiceId, ServiceSpec, StackId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The label that says which stack something belongs to. It is docker's, so that its tools find their way.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

/// The stack that something with these labels belongs to.
pub fn stack_of(labels: &BTreeMap<String, String>) -> Option<&str> {
    labels.get(STACK_LABEL).map(String::as_str)
}

/// What a stack consists of. Everything in it has the stack's label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackSpec {
    /// The stack's name, unique in the cluster.
    pub name: Name,
    /// Its services; no two have the same name.
    pub services: Vec<StackService>,
    /// The networks that it makes; no two have the same name.
    pub networks: Vec<NetworkSpec>,
}

/// A service of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackService {
    /// What is asked for.
    pub spec: ServiceSpec,
    /// Whether no number of tasks was asked for: a service that is there already keeps the one it has.
    pub keep_scale: bool,
    /// What must have come how far before it is started for the first time.
    pub depends_on: Vec<StackDependency>,
}

/// A service of the same stack that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackDependency {
    /// Its name.
    pub service: Name,
    /// How far it must have come.
    pub condition: StackCondition,
}

/// How far a service must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StackCondition {
    /// All its tasks were started.
    Started,
    /// All its tasks run, and are healthy where that is checked.
    Healthy,
    /// All its tasks have done their work.
    Completed,
}

/// A stack as the managers hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Its id.
    pub id: StackId,
    /// Version of the state at its last change of any kind.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its spec last changed.
    pub updated_at: Timestamp,
    /// What the user asked for.
    pub spec: Arc<StackSpec>,
    /// Services that are not started yet, because of what they depend on.
    pub waiting: BTreeSet<ServiceId>,
    /// Networks that are removed as soon as nothing is in them any more.
    pub leaving: BTreeSet<NetworkId>,
    /// Set when the user removed it: it goes when its services and networks are gone.
    pub removing: bool,
}
