//! The published ports that this node answers for, so that a daemon that starts does not leave them to programs that
//! began to listen there since.

use super::{Ledger, LedgerError, damaged, encode};
use manager_store::disk::{Op, Table};
use proto::model::NetworkId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use worker_core::network::Opening;

const PORTS: Table = Table::new("ledger.ports-of-every-node");
const ANSWERED_KEY: &[u8] = b"answered";

/// Ports that this node answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredPorts {
    /// The ingress network that leads them to tasks.
    pub network: NetworkId,
    /// The ports.
    pub ports: BTreeSet<Opening>,
}

impl Ledger {
    /// The ports that were recorded last.
    pub fn answered_ports(&self) -> Result<Option<AnsweredPorts>, LedgerError> {
        let row = self.disk.get(PORTS, ANSWERED_KEY).map_err(LedgerError::Read)?;
        let decode =
            |row: Vec<u8>| serde_json::from_slice(&row).map_err(|error| damaged(PORTS, ANSWERED_KEY, error));
        row.map(decode).transpose()
    }

    /// Records the ports in the place of those before.
    pub fn keep_answered_ports(&self, answered: Option<&AnsweredPorts>) -> Result<(), LedgerError> {
        self.write(vec![match answered {
            Some(answered) => Op::put(PORTS, ANSWERED_KEY, encode(answered)),
            None => Op::remove(PORTS, ANSWERED_KEY),
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_store::disk::MemDisk;
    use std::sync::Arc;
    use worker_core::network::{PortKey, Protocol};

    #[test]
    fn what_was_answered_for_is_read_back_until_it_is_struck_out() {
        let disk = MemDisk::new();
        let open = || Ledger::open(Arc::new(disk.clone())).unwrap();
        assert_eq!(open().answered_ports().unwrap(), None);
        let port = |host_ip: Option<&str>| Opening {
            key: PortKey { protocol: Protocol::Udp, port: 53.try_into().unwrap() },
            host_ip: host_ip.map(|host_ip| host_ip.parse().unwrap()),
        };
        let ports = [port(None), port(Some("10.0.0.0/8"))].into();
        let answered = AnsweredPorts { network: NetworkId::from_bits(1), ports };
        open().keep_answered_ports(Some(&answered)).unwrap();
        assert_eq!(open().answered_ports().unwrap(), Some(answered));
        open().keep_answered_ports(None).unwrap();
        assert_eq!(open().answered_ports().unwrap(), None);
    }
}
