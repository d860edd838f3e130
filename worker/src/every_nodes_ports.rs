//! The ports that every node answers for: not taken from programs of this node that listened there before.

use crate::{chain::Chain, executor::Listeners};
use proto::model::{NetworkTable, PublishedPort};
use std::collections::BTreeSet;
use tracing::{info, warn};
use worker_core::network::{Opening, PortKey};
use worker_network::Namespace;

/// Which of the ports this node answers for, and which it leaves to programs of its own.
#[derive(Debug, Default)]
pub(crate) struct EveryNodesPorts {
    answered: BTreeSet<Opening>,
    left: BTreeSet<Opening>,
}

impl EveryNodesPorts {
    /// The table without ports that programs of the node listen on; `None` if there are none of them. A port that the
    /// node answers for already stays, whoever listens there since: nobody but a program of the node would notice.
    pub(crate) async fn limit(&mut self, host: &Namespace, table: &NetworkTable) -> Option<NetworkTable> {
        if !table.info.ingress {
            return None;
        }
        let ports = table.services.values().flat_map(|service| &service.ports);
        let wanted: BTreeSet<Opening> = ports.filter_map(opening).collect();
        self.answered.retain(|port| wanted.contains(port));
        let asked: BTreeSet<Opening> = wanted.difference(&self.answered).copied().collect();
        let left = match asked.is_empty() {
            true => BTreeSet::new(),
            false => self.in_use(host, &asked).await,
        };
        self.answered.extend(asked.difference(&left));
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
    use proto::model::{Ipv4Pool, NetworkId, NetworkInfo, NetworkService, PortProtocol, ServiceId};
    use std::net::TcpListener;

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

    #[tokio::test]
    async fn a_port_is_left_to_the_program_that_listens_there_until_it_ends() {
        let host = Namespace::temporary().await.unwrap();
        let (mut ports, table) = (EveryNodesPorts::default(), table());
        let program = host.run(|| TcpListener::bind("127.0.0.1:8080").unwrap()).await.unwrap();
        let limited = ports.limit(&host, &table).await.unwrap();
        let published = limited.services.values().flat_map(|service| &service.ports);
        assert_eq!(published.filter_map(|port| port.published).map(u16::from).collect::<Vec<_>>(), [8081]);
        drop(program);
        assert_eq!(ports.limit(&host, &table).await, None);
        // Who comes later does not take the port from the cluster.
        let _late = host.run(|| TcpListener::bind("127.0.0.1:8081").unwrap()).await.unwrap();
        assert_eq!(ports.limit(&host, &table).await, None);
    }
}
