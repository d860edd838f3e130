//! Whether the nodes have of networks what they should have.

use super::ControlService;
use crate::status::of_find;
use futures::future::join_all;
use manager_core::{requests::find, state::State};
use proto::{
    model::{NetworkId, Node},
    wire::{CheckNetworksRequest, CheckNetworksResponse, CheckedNode, NetworkFinding},
};
use std::collections::BTreeMap;
use tonic::{Request, Status};

impl ControlService {
    /// Asks every node, or those that take part in one network.
    pub(super) async fn check_networks(
        &self,
        request: Request<CheckNetworksRequest>,
    ) -> Result<CheckNetworksResponse, Status> {
        let (state, name) = (self.state().await?, request.into_inner().network);
        let network = match name.as_str() {
            "" => None,
            name => Some(find::network(&state, name).map_err(of_find)?.id),
        };
        let tables = self.hub.tables(&state, self.clock.now());
        let checks = state.nodes().filter_map(|node| {
            let of_node = tables.of_node(node.id).map(|(id, _)| id);
            let expected: Vec<NetworkId> =
                of_node.filter(|id| network.is_none_or(|network| network == *id)).collect();
            let takes_part = network.is_none() || !expected.is_empty();
            takes_part.then(|| self.check_node(&state, node, network, expected))
        });
        Ok(CheckNetworksResponse { nodes: join_all(checks).await })
    }

    async fn check_node(
        &self,
        state: &State,
        node: &Node,
        network: Option<NetworkId>,
        expected: Vec<NetworkId>,
    ) -> CheckedNode {
        let hostname = node.description.as_ref().map(|told| told.hostname.clone()).unwrap_or_default();
        let mut checked = CheckedNode { node_id: node.id.to_string(), hostname, ..CheckedNode::default() };
        match self.questions.ask(&self.hub, node.id, network).await {
            Ok(found) => checked.networks = compared(state, found, &expected),
            Err(silence) => checked.silence = silence.to_string(),
        }
        checked
    }
}

/// Adds the networks that the node does not know of although it should, and says which it should not have any more; its
/// own network has no id.
fn compared(state: &State, found: Vec<NetworkFinding>, expected: &[NetworkId]) -> Vec<NetworkFinding> {
    let mut all: BTreeMap<String, NetworkFinding> =
        found.into_iter().map(|finding| (finding.network_id.clone(), finding)).collect();
    let is_expected = |id: &str| id.is_empty() || expected.iter().any(|expected| expected.to_string() == id);
    for (_, finding) in
        all.iter_mut().filter(|(id, finding)| !is_expected(id) && finding.differences.is_empty())
    {
        finding
            .differences
            .push("the node takes no part in it any more, and has not taken it down yet".to_owned());
    }
    for &id in expected {
        all.entry(id.to_string()).or_insert_with(|| NetworkFinding {
            network_id: id.to_string(),
            name: state.network(id).map(|network| network.spec.name.to_string()).unwrap_or_default(),
            differences: vec!["the node does not know of it".to_owned()],
            ..NetworkFinding::default()
        });
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, network_spec};

    #[test]
    fn networks_that_a_node_lacks_or_should_not_have_any_more_are_named() {
        let mut bench = Bench::new();
        let [front, back] = ["front", "back"].map(|name| bench.add_network(network_spec(name)));
        let told = |id: &str| NetworkFinding { network_id: id.to_owned(), ..NetworkFinding::default() };
        let found = vec![told(""), told(&back.to_string())];
        let compared = compared(&bench.state, found, &[front]);
        let said = |id: &str| {
            let of_id = compared.iter().find(|finding| finding.network_id == id);
            of_id.map(|finding| finding.differences.join("; ")).unwrap_or_default()
        };
        assert_eq!(said(""), "");
        assert_eq!(said(&front.to_string()), "the node does not know of it");
        assert!(said(&back.to_string()).starts_with("the node takes no part in it any more"));
    }
}
