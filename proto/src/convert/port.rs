//! Ports a service publishes.

use crate::{
    model::{HostIp, PortMode, PortProtocol, PortTraffic, Problems, PublishedPort},
    wire,
};
use std::{collections::BTreeSet, num::NonZeroU16};

const OPTION: &str = "--publish";

impl From<&PublishedPort> for wire::PublishedPort {
    fn from(port: &PublishedPort) -> Self {
        use wire::published_port::{Mode, Protocol, Traffic};
        let protocol = match port.protocol {
            PortProtocol::Tcp => Protocol::Tcp,
            PortProtocol::Udp => Protocol::Udp,
            PortProtocol::Sctp => Protocol::Sctp,
        };
        let mode = match port.mode {
            PortMode::Host => Mode::Host,
            PortMode::Ingress => Mode::Ingress,
        };
        let traffic = match port.traffic {
            PortTraffic::Cluster => Traffic::Cluster,
            PortTraffic::LocalFirst => Traffic::LocalFirst,
        };
        wire::PublishedPort {
            protocol: protocol.into(),
            published: port.published.map_or(0, |port| u32::from(port.get())),
            target: u32::from(port.target.get()),
            mode: mode.into(),
            host_ip: port.host_ip.map(|host_ip| host_ip.to_string()).unwrap_or_default(),
            traffic: traffic.into(),
        }
    }
}

/// Reads the ports of a service, noting those that are malformed or published twice.
pub(super) fn ports(ports: Vec<wire::PublishedPort>, problems: &mut Problems) -> Vec<PublishedPort> {
    let ports: Vec<PublishedPort> = ports.into_iter().filter_map(|wire| port(&wire, problems)).collect();
    let (mut published, mut chosen) = (BTreeSet::new(), BTreeSet::new());
    for PublishedPort { protocol, published: number, target, .. } in &ports {
        match number {
            Some(number) if !published.insert((protocol, number)) => {
                problems.add(OPTION, format!("port {number}/{protocol} is published twice"));
            }
            None if !chosen.insert((protocol, target)) => {
                let problem = "is published twice without a published port: once will do, or name the ports";
                problems.add(OPTION, format!("target port {target}/{protocol} {problem}"));
            }
            Some(_) | None => {}
        }
    }
    ports
}

fn port(wire: &wire::PublishedPort, problems: &mut Problems) -> Option<PublishedPort> {
    let mode = mode(wire.mode, problems);
    let protocol = protocol(wire.protocol, problems);
    let target = number("target", wire.target, problems);
    let published = match wire.published {
        0 => Some(None),
        published => number("published", published, problems).map(Some),
    };
    let host_ip = match wire.host_ip.as_str() {
        "" => Some(None),
        text => problems.take(OPTION, text.parse::<HostIp>()).map(Some),
    };
    let traffic = traffic(wire.traffic, problems);
    let port = PublishedPort {
        protocol: protocol?,
        published: published?,
        target: target?,
        mode: mode?,
        host_ip: host_ip?,
        traffic: traffic?,
    };
    check_host_mode(&port, problems);
    Some(port)
}

fn check_host_mode(port: &PublishedPort, problems: &mut Problems) {
    if port.mode == PortMode::Ingress {
        return;
    }
    if port.published.is_none() {
        let advice = format!("give a published port: published=PORT,target={}", port.target);
        problems
            .add(OPTION, format!("{advice},mode=host; only ports of every node are chosen by the cluster"));
    }
    if port.traffic == PortTraffic::LocalFirst {
        problems
            .add(OPTION, "with mode=host a node sends to its own tasks only: leave traffic=local-first out");
    }
}

fn mode(mode: i32, problems: &mut Problems) -> Option<PortMode> {
    use wire::published_port::Mode;
    match Mode::try_from(mode) {
        Ok(Mode::Host) => Some(PortMode::Host),
        // Docker's default.
        Ok(Mode::Ingress | Mode::Unspecified) => Some(PortMode::Ingress),
        Err(_) => {
            problems.add(OPTION, format!("publish mode {mode} is not known: use ingress or host"));
            None
        }
    }
}

fn protocol(number: i32, problems: &mut Problems) -> Option<PortProtocol> {
    use wire::published_port::Protocol;
    match Protocol::try_from(number) {
        Ok(Protocol::Tcp | Protocol::Unspecified) => Some(PortProtocol::Tcp),
        Ok(Protocol::Udp) => Some(PortProtocol::Udp),
        Ok(Protocol::Sctp) => Some(PortProtocol::Sctp),
        Err(_) => {
            problems.add(OPTION, format!("protocol {number} is not known: use tcp, udp or sctp"));
            None
        }
    }
}

fn traffic(number: i32, problems: &mut Problems) -> Option<PortTraffic> {
    use wire::published_port::Traffic;
    match Traffic::try_from(number) {
        Ok(Traffic::Cluster | Traffic::Unspecified) => Some(PortTraffic::Cluster),
        Ok(Traffic::LocalFirst) => Some(PortTraffic::LocalFirst),
        Err(_) => {
            problems.add(OPTION, format!("traffic {number} is not known: use cluster or local-first"));
            None
        }
    }
}

fn number(which: &str, number: u32, problems: &mut Problems) -> Option<NonZeroU16> {
    let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
    if port.is_none() {
        problems.add(OPTION, format!("{which} port {number} is not valid: must be 1 to 65535"));
    }
    port
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::published_port::{Mode, Protocol};

    fn problems_of(wires: Vec<wire::PublishedPort>) -> String {
        let mut problems = Problems::default();
        ports(wires, &mut problems);
        problems.to_string()
    }

    fn host(protocol: Protocol, published: u32, target: u32) -> wire::PublishedPort {
        let (protocol, mode) = (protocol.into(), Mode::Host.into());
        wire::PublishedPort { protocol, published, target, mode, ..Default::default() }
    }

    fn ingress(published: u32, target: u32) -> wire::PublishedPort {
        wire::PublishedPort { mode: Mode::Ingress.into(), ..host(Protocol::Tcp, published, target) }
    }

    #[test]
    fn a_port_published_twice_is_a_problem_unless_the_protocols_differ() {
        assert_eq!(problems_of(vec![host(Protocol::Tcp, 53, 53), host(Protocol::Udp, 53, 53)]), "");
        let twice = problems_of(vec![host(Protocol::Tcp, 80, 80), host(Protocol::Unspecified, 80, 8080)]);
        assert_eq!(twice, "--publish: port 80/tcp is published twice");
    }

    #[test]
    fn ports_outside_of_16_bits_are_a_problem_each() {
        assert_eq!(
            problems_of(vec![host(Protocol::Tcp, 65_536, 70_000)]),
            "--publish: target port 70000 is not valid: must be 1 to 65535\n\
             --publish: published port 65536 is not valid: must be 1 to 65535"
        );
    }

    #[test]
    fn a_port_is_published_on_every_node_unless_the_mode_is_host() {
        for (given, expected) in [
            (Mode::Unspecified, PortMode::Ingress),
            (Mode::Ingress, PortMode::Ingress),
            (Mode::Host, PortMode::Host),
        ] {
            let port = wire::PublishedPort { mode: given.into(), ..host(Protocol::Tcp, 8080, 80) };
            let mut problems = Problems::default();
            let modes: Vec<PortMode> =
                ports(vec![port], &mut problems).iter().map(|port| port.mode).collect();
            assert_eq!((modes, problems.to_string().as_str()), (vec![expected], ""));
        }
    }

    #[test]
    fn a_port_without_a_published_number_is_chosen_by_the_managers_for_every_node_only() {
        assert_eq!(problems_of(vec![ingress(0, 80), ingress(0, 81)]), "");
        let problem = problems_of(vec![host(Protocol::Tcp, 0, 80)]);
        assert!(
            problem.starts_with("--publish: give a published port: published=PORT,target=80,"),
            "{problem}"
        );
        let twice = problems_of(vec![ingress(0, 80), ingress(0, 80)]);
        assert!(twice.starts_with("--publish: target port 80/tcp is published twice without"), "{twice}");
    }

    #[test]
    fn local_tasks_come_first_for_ports_of_every_node_only() {
        use wire::published_port::Traffic;
        let local_first =
            |port: wire::PublishedPort| wire::PublishedPort { traffic: Traffic::LocalFirst.into(), ..port };
        assert_eq!(problems_of(vec![local_first(ingress(80, 80))]), "");
        let problem = problems_of(vec![local_first(host(Protocol::Tcp, 80, 80))]);
        assert!(problem.contains("leave traffic=local-first out"), "{problem}");
    }

    #[test]
    fn an_address_that_nothing_can_be_published_at_is_a_problem() {
        let at = |host_ip: &str| wire::PublishedPort { host_ip: host_ip.into(), ..ingress(80, 80) };
        assert_eq!(problems_of(vec![at("10.0.0.0/24")]), "");
        assert!(problems_of(vec![at("eth0")]).starts_with("--publish: `eth0` is not an address"));
    }
}
