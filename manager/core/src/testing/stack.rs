//! Stacks.

use super::{ServiceBuilder, network_spec};
use proto::model::{
    NetworkId, NetworkSpec, StackCondition, StackDependency, StackService, StackSpec, stack::STACK_LABEL,
};

/// A stack without services.
pub fn stack(name: &str) -> StackBuilder {
    let name = name.parse().expect("a valid name");
    StackBuilder(StackSpec { name, services: Vec::new(), networks: Vec::new() })
}

/// Makes a stack.
#[derive(Debug, Clone)]
pub struct StackBuilder(StackSpec);

impl StackBuilder {
    /// Adds a service.
    pub fn service(mut self, service: ServiceBuilder) -> Self {
        let mut spec = service.build();
        spec.labels.insert(STACK_LABEL.into(), self.0.name.to_string());
        self.0.services.push(StackService { spec, keep_scale: false, depends_on: Vec::new() });
        self
    }

    /// Asks for no number of tasks of the last service.
    pub fn of_any_scale(mut self) -> Self {
        self.last().keep_scale = true;
        self
    }

    /// Lets the last service wait for another one.
    pub fn after(mut self, service: &str, condition: StackCondition) -> Self {
        let service = service.parse().expect("a valid name");
        self.last().depends_on.push(StackDependency { service, condition });
        self
    }

    /// Adds a network.
    pub fn network(self, name: &str) -> Self {
        self.network_of(network_spec(name))
    }

    /// Adds a network of this kind.
    pub fn network_of(mut self, mut network: NetworkSpec) -> Self {
        network.labels.insert(STACK_LABEL.into(), self.0.name.to_string());
        self.0.networks.push(network);
        self
    }

    /// Connects the last service to a network.
    pub fn attached(mut self, network: NetworkId) -> Self {
        let attachment = proto::model::NetworkAttachment { network, aliases: Default::default() };
        self.last().spec.task.attachments.push(attachment);
        self
    }

    fn last(&mut self) -> &mut StackService {
        self.0.services.last_mut().expect("a service was added before")
    }

    /// The spec.
    pub fn build(self) -> StackSpec {
        self.0
    }
}
