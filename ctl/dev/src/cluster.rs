//! A development cluster that is there, for those who use it.

use crate::{Error, Node, Roots, Subnet, node::Nodes, record::Record};
use proto::model::Role;

/// A development cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    name: String,
    subnet: Subnet,
    nodes: Nodes,
}

impl Cluster {
    /// Opens the cluster whose files lie in the folders; `None` if there is none. It may be stopped.
    pub fn open(roots: &Roots) -> Result<Option<Self>, Error> {
        Ok(Record::load(roots)?.map(|record| Self::of(roots, &record)))
    }

    pub(crate) fn of(roots: &Roots, record: &Record) -> Self {
        Self { name: record.name.clone(), subnet: record.subnet, nodes: Node::all(roots, record) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network its nodes are in.
    pub fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Its nodes, managers first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes made as managers.
    pub fn managers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role() == Role::Manager)
    }

    /// The nodes made as workers.
    pub fn workers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.role() == Role::Worker)
    }

    /// A node by name, such as `m1`.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name() == name)
    }
}
