//! Ports a service publishes.

use crate::{
    model::{PortMode, PortProtocol, Problems, PublishedPort},
    wire,
};
use std::{collections::BTreeSet, num::NonZeroU16};

const OPTION: &str = "--publish";

impl From<&PublishedPort> for wire::PublishedPort {
    fn from(port: &PublishedPort) -> Self {
        use wire::published_port::{Mode, Protocol};
        let protocol = match port.protocol {
            PortProtocol::Tcp => Protocol::Tcp,
            PortProtocol::Udp => Protocol::Udp,
        };
        let mode = match port.mode {
            PortMode::Host => Mode::Host,
            PortMode::Ingress => Mode::Ingress,
        };
        wire::PublishedPort {
            protocol: protocol.into(),
            published: u32::from(port.published.get()),
            target: u32::from(port.target.get()),
            mode: mode.into(),
        }
    }
}

/// Reads the ports of a service, noting those that are malformed or published twice.
pub(super) fn ports(ports: Vec<wire::PublishedPort>, problems: &mut Problems) -> Vec<PublishedPort> {
    let ports: Vec<PublishedPort> = ports.into_iter().filter_map(|wire| port(&wire, problems)).collect();
    let mut published = BTreeSet::new();
    for port in &ports {
        if !published.insert((port.protocol, port.published)) {
            problems.add(OPTION, format!("port {}/{} is published twice", port.published, port.protocol));
        }
    }
    ports
}

fn port(wire: &wire::PublishedPort, problems: &mut Problems) -> Option<PublishedPort> {
    let mode = mode(wire, problems);
    let protocol = protocol(wire.protocol, problems);
    let target = number("target", wire.target, problems);
    let published = number("published", wire.published, problems);
    Some(PublishedPort { protocol: protocol?, published: published?, target: target?, mode: mode? })
}

fn mode(port: &wire::PublishedPort, problems: &mut Problems) -> Option<PortMode> {
    use wire::published_port::Mode;
    match Mode::try_from(port.mode) {
        Ok(Mode::Host) => Some(PortMode::Host),
        // Docker's default is ingress: a port without a mode must not quietly become a host port.
        Ok(Mode::Ingress | Mode::Unspecified) => {
            let published = if port.published == 0 { port.target } else { port.published };
            problems.add(
                OPTION,
                format!(
                    "publish mode ingress is not available yet: write published={published},target={},mode=host, \
                     which publishes the port on the nodes that run the tasks",
                    port.target
                ),
            );
            None
        }
        Err(_) => {
            problems.add(OPTION, format!("publish mode {} is not known: use mode=host", port.mode));
            None
        }
    }
}

fn protocol(number: i32, problems: &mut Problems) -> Option<PortProtocol> {
    use wire::published_port::Protocol;
    match Protocol::try_from(number) {
        Ok(Protocol::Tcp | Protocol::Unspecified) => Some(PortProtocol::Tcp),
        Ok(Protocol::Udp) => Some(PortProtocol::Udp),
        Err(_) => {
            problems.add(OPTION, format!("protocol {number} is not known: use tcp or udp"));
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
        wire::PublishedPort { protocol: protocol.into(), published, target, mode: Mode::Host.into() }
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
            problems_of(vec![host(Protocol::Tcp, 0, 70_000)]),
            "--publish: target port 70000 is not valid: must be 1 to 65535\n\
             --publish: published port 0 is not valid: must be 1 to 65535"
        );
    }

    #[test]
    fn ingress_is_refused_also_when_no_mode_is_given() {
        for mode in [Mode::Ingress, Mode::Unspecified] {
            let port = wire::PublishedPort { mode: mode.into(), ..host(Protocol::Tcp, 8080, 80) };
            let problems = problems_of(vec![port]);
            assert!(problems.contains("ingress is not available yet"), "{problems}");
            assert!(problems.contains("published=8080,target=80,mode=host"), "{problems}");
        }
    }
}
