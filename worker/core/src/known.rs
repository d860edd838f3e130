//! What is known of the networks this node takes part in, and from whom.

use crate::{
    dns::{Names, Zones},
    tables::{Row, Tables, Told, UnknownNetwork},
};
use proto::model::{NetworkId, NetworkTable};
use std::sync::Arc;

/// What is known of the networks this node takes part in. Clones cost nothing.
#[derive(Debug, Clone, Default)]
pub struct Known {
    tables: Tables,
    zones: Zones,
    source: Source,
    edition: u64,
}

/// Where it is known from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Source {
    /// Nothing is known.
    #[default]
    Nobody,
    /// The managers told it to the daemon that ran before. The last of it may be missing.
    Ledger,
    /// The managers told it to this daemon: there is nothing besides.
    Managers,
}

impl Known {
    /// Begins with what the ledger has.
    pub fn recovered(tables: Option<Tables>) -> Self {
        let known = tables.map(|tables| Self {
            zones: Zones::of(&tables),
            tables,
            source: Source::Ledger,
            edition: 0,
        });
        known.unwrap_or_default()
    }

    /// Takes in what the managers told, at the cost of what is new, which is returned; `None` if nothing is.
    pub fn take(&mut self, told: Told) -> Result<Option<Vec<Row>>, UnknownNetwork> {
        let source = if told.full { Source::Managers } else { self.source };
        let rows = self.tables.take(told)?;
        let is_new = !rows.is_empty() || self.source != source;
        self.source = source;
        self.edition += u64::from(is_new);
        self.zones.update(&self.tables, &rows);
        Ok(is_new.then_some(rows))
    }

    /// Whether the managers have told it to this daemon, so that there is nothing besides.
    pub fn is_all(&self) -> bool {
        self.source == Source::Managers
    }

    /// Grows with everything new that the managers tell this daemon.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// The tables of all networks.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What is known of a network.
    pub fn get(&self, id: NetworkId) -> Option<&Arc<NetworkTable>> {
        self.tables.get(id)
    }

    /// The names that a container in these networks can ask for.
    pub fn names_of(&self, networks: &[NetworkId]) -> Names {
        self.zones.of_container(networks, self.is_all())
    }
}
