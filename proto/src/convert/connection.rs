//! The networks that one task was connected to by hand.

use super::error::{WireError, well_formed};
use crate::{
    model::{Name, TaskConnection},
    wire,
};

impl From<&TaskConnection> for wire::TaskConnection {
    fn from(connection: &TaskConnection) -> Self {
        wire::TaskConnection {
            network_id: connection.network.to_string(),
            aliases: connection.aliases.iter().map(Name::to_string).collect(),
            version: connection.version,
            leaving: connection.leaving,
        }
    }
}

impl TryFrom<wire::TaskConnection> for TaskConnection {
    type Error = WireError;

    fn try_from(wire: wire::TaskConnection) -> Result<Self, WireError> {
        let aliases = wire.aliases.into_iter().map(Name::try_from).collect();
        Ok(TaskConnection {
            network: well_formed("network_id", wire.network_id.parse())?,
            aliases: well_formed("aliases", aliases)?,
            version: wire.version,
            leaving: wire.leaving,
        })
    }
}
