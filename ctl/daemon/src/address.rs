//! The addresses a node listens on and is known by.

use crate::config::DEFAULT_PORT;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use proto::model::Problems;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Says why an address can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Neither an address nor an interface.
    #[error(
        "`{0}` is neither an address nor an interface of this machine: write IP[:PORT] or INTERFACE[:PORT]"
    )]
    Unknown(String),
    /// Not a port.
    #[error("`{0}` has no valid port: a port is a number from 1 to 65535")]
    Port(String),
    /// Nothing to choose from.
    #[error(
        "this machine has no address but loopback: connect it to a network, or give one with --advertise-addr"
    )]
    None,
    /// Too much to choose from.
    #[error(
        "this machine has several addresses ({0}): say with --advertise-addr which one the other nodes reach it by"
    )]
    Several(String),
    /// Others can't call it.
    #[error("`{0}` is no address that other nodes can call: give one of this machine's own")]
    Unspecified(String),
    /// The kernel does not tell.
    #[error("failed to list the machine's interfaces")]
    List(#[source] nix::Error),
}

/// The addresses of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// It listens here as a manager.
    pub listen: SocketAddr,
    /// Others reach it here as a manager.
    pub advertise: SocketAddr,
    /// Others send container traffic here, if that is another address.
    pub data_path: Option<IpAddr>,
}

/// Reads the listen, the advertise and the data path address, noting all that is wrong with them; empty
/// ones take their defaults. A node with several addresses advertises the one from which it reaches
/// `toward`, a manager.
pub fn read(
    [listen, advertise, data_path]: [&str; 3],
    toward: Option<SocketAddr>,
    problems: &mut Problems,
) -> Option<Addresses> {
    let listen = problems.take("--listen-addr", listen_addr(listen));
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT);
    let advertise =
        problems.take("--advertise-addr", advertise_addr(advertise, listen.unwrap_or(any), toward));
    let data_path = problems.take("--data-path-addr", data_path_addr(data_path));
    Some(Addresses { listen: listen?, advertise: advertise?, data_path: data_path? })
}

/// The address to listen on: all addresses and the usual port by default.
pub fn listen_addr(given: &str) -> Result<SocketAddr, AddressError> {
    if given.is_empty() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT));
    }
    resolve(given, DEFAULT_PORT)
}

/// The address other nodes use: the machine's only one by default, or the one that leads to a manager.
fn advertise_addr(
    given: &str,
    listen: SocketAddr,
    toward: Option<SocketAddr>,
) -> Result<SocketAddr, AddressError> {
    if !given.is_empty() {
        let addr = resolve(given, listen.port())?;
        return if addr.ip().is_unspecified() {
            Err(AddressError::Unspecified(given.to_owned()))
        } else {
            Ok(addr)
        };
    }
    if !listen.ip().is_unspecified() {
        return Ok(listen);
    }
    let mut own: Vec<IpAddr> = own_addresses()?.into_iter().map(|(_, addr)| addr).collect();
    // A machine with both families is reached by the first; people who want the other say so.
    if own.iter().any(IpAddr::is_ipv4) {
        own.retain(IpAddr::is_ipv4);
    }
    match own.as_slice() {
        [] => Err(AddressError::None),
        [only] => Ok(SocketAddr::new(*only, listen.port())),
        _ if let Some(own) = toward.and_then(source_toward) => Ok(SocketAddr::new(own, listen.port())),
        several => {
            Err(AddressError::Several(several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
        }
    }
}

/// The address from which the machine reaches another one. Nothing is sent for that: connecting a UDP
/// socket only looks the way up.
fn source_toward(other: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(other).ok()?;
    socket.local_addr().ok().map(|own| own.ip())
}

/// The address for container traffic, if one was given.
fn data_path_addr(given: &str) -> Result<Option<IpAddr>, AddressError> {
    if given.is_empty() { Ok(None) } else { resolve(given, DEFAULT_PORT).map(|addr| Some(addr.ip())) }
}

fn resolve(given: &str, port: u16) -> Result<SocketAddr, AddressError> {
    if let Ok(addr) = given.parse::<SocketAddr>() {
        return if addr.port() == 0 { Err(AddressError::Port(given.to_owned())) } else { Ok(addr) };
    }
    let unbracketed = given.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = unbracketed.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let (interface, port) = match given.rsplit_once(':') {
        Some((interface, text)) => match text.parse() {
            Ok(port) if port != 0 => (interface, port),
            _ => return Err(AddressError::Port(given.to_owned())),
        },
        None => (given, port),
    };
    let of_interface =
        own_addresses()?.into_iter().filter(|(name, _)| name == interface).map(|(_, addr)| addr);
    // IPv4 first, as docker has it.
    let addr = of_interface.min_by_key(|addr| !addr.is_ipv4());
    addr.map(|addr| SocketAddr::new(addr, port)).ok_or_else(|| AddressError::Unknown(given.to_owned()))
}

/// The machine's addresses that others may reach, with their interfaces.
fn own_addresses() -> Result<Vec<(String, IpAddr)>, AddressError> {
    let own = getifaddrs().map_err(AddressError::List)?.filter_map(|entry| {
        let loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let up = entry.flags.contains(InterfaceFlags::IFF_UP);
        let storage = entry.address?;
        let v4 = storage.as_sockaddr_in().map(|addr| IpAddr::V4(addr.ip()));
        let v6 = storage.as_sockaddr_in6().map(|addr| IpAddr::V6(addr.ip()));
        let addr = v4.or(v6)?;
        (up && !loopback && !is_link_local(addr)).then_some((entry.interface_name, addr))
    });
    Ok(own.collect())
}

/// Link-local addresses mean something only together with an interface.
fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        for (given, read) in [
            ("10.0.0.1", "10.0.0.1:2377"),
            ("10.0.0.1:99", "10.0.0.1:99"),
            ("fd00::1", "[fd00::1]:2377"),
            ("[fd00::1]", "[fd00::1]:2377"),
            ("[fd00::1]:99", "[fd00::1]:99"),
            ("", "0.0.0.0:2377"),
        ] {
            assert_eq!(listen_addr(given).unwrap().to_string(), read, "{given}");
        }
    }

    #[test]
    fn the_way_to_a_manager_tells_the_own_address() {
        assert_eq!(
            source_toward(SocketAddr::from(([127, 0, 0, 1], 2377))),
            Some(IpAddr::from([127, 0, 0, 1]))
        );
    }

    #[test]
    fn every_wrong_address_is_told() {
        let mut problems = Problems::default();
        assert_eq!(read(["nosuchlink0", "10.0.0.1:0", "1.2.3"], None, &mut problems), None);
        let options: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(options, ["--listen-addr", "--advertise-addr", "--data-path-addr"]);
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_would_be_one() {
        assert!(matches!(listen_addr("nosuchlink0"), Err(AddressError::Unknown(_))));
        assert!(matches!(listen_addr("10.0.0.1:0"), Err(AddressError::Port(_))));
        assert!(matches!(listen_addr("eth0:99999"), Err(AddressError::Port(_))));
        let listen = listen_addr("").unwrap();
        assert!(matches!(advertise_addr("0.0.0.0", listen, None), Err(AddressError::Unspecified(_))));
    }
}
