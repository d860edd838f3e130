//! Looks, when managers ask, whether this node's networks are as they told.

use crate::{chain::Chain, executor::Node, network_states::Progress};
use proto::{
    model::{NetworkId, NetworkKind, NetworkTable},
    wire::{NetworkFinding, NetworkFindings, NetworkQuestion},
};
use std::{
    error::Error,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use worker_network::{Inspection, Repairs};

/// Answers managers' questions about networks.
#[derive(Clone)]
pub(crate) struct NetworkChecks {
    node: Arc<Node>,
}

impl NetworkChecks {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// Looks at what is asked for.
    pub(crate) async fn answer(&self, question: NetworkQuestion) -> NetworkFindings {
        let mut networks = Vec::new();
        let is_asked =
            |id: NetworkId| question.network_id.is_empty() || question.network_id == id.to_string();
        if question.network_id.is_empty() {
            networks.push(self.own_network().await);
        }
        let told = self.node.networks.told();
        for (table, progress) in told.iter().filter(|(table, _)| is_asked(table.info.id)) {
            networks.push(self.network(table, progress).await);
        }
        let is_told = |id: NetworkId| told.iter().any(|(table, _)| table.info.id == id);
        let (overlays, macvlans) = (self.node.network.overlays(), self.node.network.macvlans());
        let others = overlays.list().into_iter().chain(macvlans.list());
        networks.extend(others.filter(|id| is_asked(*id) && !is_told(*id)).map(|id| NetworkFinding {
            network_id: id.to_string(),
            differences: vec!["the node still has it, though it takes no part in it any more".to_owned()],
            ..NetworkFinding::default()
        }));
        NetworkFindings { question_id: question.question_id, networks }
    }

    async fn own_network(&self) -> NetworkFinding {
        finding(NetworkFinding::default(), self.node.network.inspect().await.map_err(unseen))
    }

    async fn network(&self, table: &NetworkTable, progress: &Progress) -> NetworkFinding {
        let id = table.info.id;
        let network = &self.node.network;
        let inspected = match table.info.kind {
            NetworkKind::Macvlan(_) => network.macvlans().inspect(&table.info).await.map_err(unseen),
            NetworkKind::Overlay | NetworkKind::Bridge => match network.overlays().inspect(id).await {
                Some(inspected) => inspected.map_err(unseen),
                None => Err("it is not there".to_owned()),
            },
        };
        let name = table.info.name.to_string();
        let found = NetworkFinding { network_id: id.to_string(), name, ..NetworkFinding::default() };
        match progress {
            Progress::Done => finding(found, inspected),
            Progress::Pending => {
                let said = "it is not carried out yet".to_owned();
                NetworkFinding { differences: vec![said], ..found }
            }
            Progress::ButPorts => {
                let mut found = finding(found, inspected);
                found.differences.push("programs of the node have ports that are published in it".to_owned());
                found
            }
            Progress::Failed(reason) => {
                let said = format!("it can't be set up: {reason}");
                NetworkFinding { differences: vec![said], ..found }
            }
        }
    }
}

fn finding(found: NetworkFinding, inspected: Result<Inspection, String>) -> NetworkFinding {
    match inspected {
        Ok(Inspection { differences, repairs: Repairs { count, last } }) => {
            NetworkFinding { differences, repairs: count, last_repair: last.and_then(millis), ..found }
        }
        Err(said) => NetworkFinding { differences: vec![said], ..found },
    }
}

fn unseen(error: impl Error + 'static) -> String {
    format!("it can't be looked at: {}", Chain(&error))
}

fn millis(at: SystemTime) -> Option<i64> {
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
