//! The ports that every node answers for: not taken from programs of this node that listened there before.

use crate::{
    chain::Chain,
    executor::{Listeners, blocking},
    ledger::{AnsweredPorts, Ledger},
};
use proto::model::{NetworkId, NetworkTable, PublishedPort};
use std::collections::BTreeSet;
use tracing::{info, warn};
use worker_core::network::{Opening, PortKey};
use worker_network::Namespace;

/// Which of the ports this node answers for, and which it leaves to programs of its own.
pub(crate) struct EveryNodesPorts {
    ledger: Ledger,
    /// As it is in the ledger; `None` until that was read.
    answered: Option<AnsweredPorts>,
    is_read: bool,
    left: BTreeSet<Opening>,
}

impl EveryNodesPorts {
    /// Goes on with what a ledger has.
    pub(crate) fn kept_in(ledger: Ledger) -> Self {
        Self { ledger, answered: None, is_read: false, left: BTreeSet::new() }
    }

    /// The table without ports that programs of the node listen on; `None` if there are none of them. A port that the
    /// node answers for already stays, whoever listens there since: nobody but a program of the node would notice.
    pub(crate) async fn limit(&mut self, host: &Namespace, table: &NetworkTable) -> Option<NetworkTable> {
        if !table.info.ingress {
            return None;
        }
        let ports = table.services.values().flat_map(|service| &service.ports);
        let wanted: BTreeSet<Opening> = ports.filter_map(opening).collect();
        let mut answered = self.answered_in(table.info.id).await;
        answered.retain(|port| wanted.contains(port));
        let asked: BTreeSet<Opening> = wanted.difference(&answered).copied().collect();
        let left = match asked.is_empty() {
            true => BTreeSet::new(),
            false => self.in_use(host, &asked).await,
        };
        answered.extend(asked.difference(&left));
        self.keep(Some(AnsweredPorts { network: table.info.id, ports: answered })).await;
        for port in self.left.difference(&left).filter(|port| wanted.contains(port)) {
            info!(port = %port.key, "node answers for a published port that was in use");
        }
        self.left = left;
        (!self.left.is_empty()).then(|| {
            let mut table = table.clone();
            let is_answered =
                |port: &PublishedPort| opening(port).is_none_or(|port| !self.left.contains(&port));
            table.change_services(|service| service.ports.retain(&is_answered));
            table
        })
    }

    /// Notes that the node takes no part in a network any more, and so answers for none of its ports.
    pub(crate) async fn network_removed(&mut self, network: NetworkId) {
        if !self.answered_in(network).await.is_empty() {
            self.keep(None).await;
        }
    }

    /// The ports of a network that the node answers for.
    async fn answered_in(&mut self, network: NetworkId) -> BTreeSet<Opening> {
        if !self.is_read {
            let ledger = self.ledger.clone();
            match blocking(move || ledger.answered_ports()).await {
                Ok(answered) => (self.answered, self.is_read) = (answered, true),
                Err(error) => {
                    warn!(error = %Chain(&error), "not known which published ports the node answered for before");
                }
            }
        }
        let answered = self.answered.as_ref().filter(|answered| answered.network == network);
        answered.map(|answered| answered.ports.clone()).unwrap_or_default()
    }

    /// Takes them down before the kernel has them: were it the other way round, a daemon that is killed in between would
    /// leave them to others.
    async fn keep(&mut self, answered: Option<AnsweredPorts>) {
        if answered == self.answered {
            return;
        }
        self.answered.clone_from(&answered);
        let ledger = self.ledger.clone();
        if let Err(error) = blocking(move || ledger.keep_answered_ports(answered.as_ref())).await {
            warn!(error = %Chain(&error), "which published ports the node answers for could not be written down");
        }
    }

    async fn in_use(&self, host: &Namespace, ports: &BTreeSet<Opening>) -> BTreeSet<Opening> {
        let listeners = match Listeners::of(host).await {
            Ok(listeners) => listeners,
            Err(error) => {
                warn!(error = %Chain(&error), "not known which ports are in use on this node");
                return BTreeSet::new();
            }
        };
        let mut in_use = BTreeSet::new();
        for port in ports {
            if let Err(error) = listeners.check_free(*port) {
                if !self.left.contains(port) {
                    warn!(port = %port.key, error = %Chain(&error), "node does not answer for a published port");
                }
                in_use.insert(*port);
            }
        }
        in_use
    }
}

fn opening(port: &PublishedPort) -> Option<Opening> {
    let key = PortKey { protocol: port.protocol.into(), port: port.published? };
    Some(Opening { key, host_ip: port.host_ip })
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_store::disk::MemDisk;
    use proto::model::{Ipv4Pool, NetworkInfo, NetworkService, PortProtocol, ServiceId};
    use std::{net::TcpListener, sync::Arc};

    /// The ingress network with a service that publishes 8080 and 8081.
    fn table() -> NetworkTable {
        let subnet = "10.0.0.0/24".parse().unwrap();
        let mut table = NetworkTable::new(NetworkInfo {
            id: NetworkId::from_bits(1),
            name: "ingress".parse().unwrap(),
            vni: 4096,
            ipv4: Ipv4Pool { subnet, gateway: "10.0.0.1".parse().unwrap(), range: subnet },
            ipv6: None,
            mtu: None,
            internal: false,
            ingress: true,
            kind: Default::default(),
        });
        let port = |published: u16| {
            let published = published.try_into().unwrap();
            PublishedPort::ingress(PortProtocol::Tcp, published, published)
        };
        let service = NetworkService {
            id: ServiceId::from_bits(1),
            name: "web".parse().unwrap(),
            aliases: [].into(),
            vip: None,
            ports: vec![port(8080), port(8081)],
            endpoints: [].into(),
            by_hand: Default::default(),
        };
        table.services.insert_mut(service.id, service);
        table
    }

    /// Those of a daemon that starts with that disk.
    fn started(disk: &MemDisk) -> EveryNodesPorts {
        EveryNodesPorts::kept_in(Ledger::open(Arc::new(disk.clone())).unwrap())
    }

    fn published(table: &NetworkTable) -> Vec<u16> {
        let ports = table.services.values().flat_map(|service| &service.ports);
        ports.filter_map(|port| port.published).map(u16::from).collect()
    }

    #[tokio::test]
    async fn a_restarted_daemon_knows_which_ports_are_the_clusters_and_which_it_left() {
        let host = Namespace::temporary().await.unwrap();
        let (disk, table) = (MemDisk::new(), table());
        let before = host.run(|| TcpListener::bind("127.0.0.1:8080").unwrap()).await.unwrap();
        started(&disk).limit(&host, &table).await.unwrap();
        let _late = host.run(|| TcpListener::bind("127.0.0.1:8081").unwrap()).await.unwrap();
        let mut restarted = started(&disk);
        assert_eq!(published(&restarted.limit(&host, &table).await.unwrap()), [8081]);
        drop(before);
        assert_eq!(restarted.limit(&host, &table).await, None);
    }

    #[tokio::test]
    async fn a_network_that_was_removed_holds_no_port_when_it_is_back() {
        let host = Namespace::temporary().await.unwrap();
        let (disk, table) = (MemDisk::new(), table());
        let mut ports = started(&disk);
        assert_eq!(ports.limit(&host, &table).await, None);
        ports.network_removed(table.info.id).await;
        let _program = host.run(|| TcpListener::bind("127.0.0.1:8080").unwrap()).await.unwrap();
        assert_eq!(published(&ports.limit(&host, &table).await.unwrap()), [8081]);
    }

    #[tokio::test]
    async fn a_port_is_left_to_the_program_that_listens_there_until_it_ends() {
        let host = Namespace::temporary().await.unwrap();
        let (mut ports, table) = (started(&MemDisk::new()), table());
        let program = host.run(|| TcpListener::bind("127.0.0.1:8080").unwrap()).await.unwrap();
        let limited = ports.limit(&host, &table).await.unwrap();
        assert_eq!(published(&limited), [8081]);
        drop(program);
        assert_eq!(ports.limit(&host, &table).await, None);
        // Who comes later does not take the port from the cluster.
        let _late = host.run(|| TcpListener::bind("127.0.0.1:8081").unwrap()).await.unwrap();
        assert_eq!(ports.limit(&host, &table).await, None);
    }
}
