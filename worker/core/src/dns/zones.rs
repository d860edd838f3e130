//! The names of all networks of a node, kept up to date row by row.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::model::NetworkId;

use super::names::Names;
use super::zone::Zone;
use crate::tables::{Row, Tables};

/// The names of all networks of a node, of which each container has those of its own. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Zones(BTreeMap<NetworkId, Arc<Zone>>);

impl Zones {
    /// Builds the names of all networks.
    pub fn of(tables: &Tables) -> Self {
        Self(tables.iter().map(|(id, table)| (id, Arc::new(Zone::new(table)))).collect())
    }

    /// Takes in the rows that are different, at their cost; `tables` has them already.
    pub fn update(&mut self, tables: &Tables, rows: &[Row]) {
        for row in rows {
            match (*row, tables.get(row.network())) {
                (_, None) => drop(self.0.remove(&row.network())),
                (Row::Network(id), Some(table)) => {
                    let zone = self.0.entry(id).or_insert_with(|| Arc::new(Zone::empty(&table.info)));
                    Arc::make_mut(zone).describe(&table.info);
                }
                (Row::Service(id, service), Some(table)) => {
                    let Some(zone) = self.0.get_mut(&id).map(Arc::make_mut) else { continue };
                    match table.services.get(&service) {
                        Some(entry) => zone.put(entry),
                        None => zone.remove(service),
                    }
                }
                // Nodes have no names there.
                (Row::Peer(..), Some(_)) => {}
            }
        }
    }

    /// The names that a container in these networks can ask for, in their order. `all_told` says whether a network that
    /// is not there will not be told any more.
    pub fn of_container(&self, networks: &[NetworkId], all_told: bool) -> Names {
        let zones: Vec<Arc<Zone>> = networks.iter().filter_map(|id| self.0.get(id)).cloned().collect();
        if all_told || zones.len() == networks.len() { Names::new(zones) } else { Names::partial(zones) }
    }
}
