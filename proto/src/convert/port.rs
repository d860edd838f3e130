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
    let mode = mode(wire.mode, problems);
    let protocol = protocol(wire.protocol, problems);
    let target = number("target", wire.target, problems);
    let published = published(wire, problems);
    Some(PublishedPort { protocol: protocol?, published: published?, target: target?, mode: mode? })
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
        Err(_) => {
            problems.add(OPTION, format!("protocol {number} is not known: use tcp or udp"));
            None
        }
    }
}

fn published(port: &wire::PublishedPort, problems: &mut Problems) -> Option<NonZeroU16> {
    if port.published == 0 {
        problems.add(OPTION, format!("give a published port: published=PORT,target={}", port.target));
        return None;
    }
    number("published", port.published, problems)
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
    fn a_port_without_a_published_number_is_told_what_to_give() {
        let problem = problems_of(vec![host(Protocol::Tcp, 0, 80)]);
        assert_eq!(problem, "--publish: give a published port: published=PORT,target=80");
    }
}
