//! Whether the ports that a node wants are free, or its own already.

use crate::{
    check::Check,
    facts::{Bound, Holder, Protocol},
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// VXLAN's, by RFC 7348.
pub const VXLAN: u16 = 4789;

/// A port that a node wants.
struct Wanted {
    protocol: Protocol,
    addr: SocketAddr,
    remedy: &'static str,
}

/// Whether a manager could listen where it is told to.
pub fn listen_addr(addr: SocketAddr, tried: &Result<(), String>) -> Check {
    match tried {
        Ok(()) => Check::ok("listen address", addr.to_string()),
        Err(why) => Check::missing(
            "listen address",
            format!("{addr} can't be listened on: {why}"),
            "give an address of this machine with --listen-addr; 'ip address' lists them",
        ),
    }
}

/// Judges each port.
pub fn all(listen_addr: SocketAddr, sockets: &Result<Vec<Bound>, String>) -> Vec<Check> {
    wanted(listen_addr).iter().map(|port| judge(port, sockets)).collect()
}

fn wanted(listen_addr: SocketAddr) -> [Wanted; 2] {
    [
        Wanted {
            protocol: Protocol::Tcp,
            addr: listen_addr,
            remedy: "stop that program, or give managers another port with --listen-addr of 'swarm init' and 'swarm join'",
        },
        Wanted {
            protocol: Protocol::Udp,
            addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), VXLAN),
            remedy: "stop that program: overlay networks need this port on every node",
        },
    ]
}

fn judge(port: &Wanted, sockets: &Result<Vec<Bound>, String>) -> Check {
    let protocol = if port.protocol == Protocol::Tcp { "tcp" } else { "udp" };
    let name = format!("port {}/{protocol}", port.addr.port());
    let sockets = match sockets {
        Ok(sockets) => sockets,
        Err(why) => return Check::warning(name, why, "look with 'ss -lntup' whether the port is free"),
    };
    let in_the_way = |bound: &&Bound| bound.protocol == port.protocol && overlap(bound.addr, port.addr);
    let Some(bound) = sockets.iter().find(in_the_way) else { return Check::ok(name, "free") };
    let at = bound.addr;
    let found = match &bound.holder {
        Holder::Process { pid, is_daemon: true, .. } => {
            return Check::ok(name, format!("used by the daemon that runs here (process {pid})"));
        }
        Holder::Kernel if port.protocol == Protocol::Udp => {
            return Check::warning(
                name,
                format!("used by the kernel at {at}, as a VXLAN device does"),
                "nothing if it is Shoal's; otherwise stop the other overlay network, whose numbers may collide",
            );
        }
        Holder::Process { pid, name, .. } => format!("used by {name} (process {pid}) at {at}"),
        Holder::Kernel => format!("used by the kernel at {at}"),
        Holder::Hidden => format!("used at {at} by a process that can't be seen from here"),
    };
    Check::missing(name, found, port.remedy)
}

/// Whether a socket at one address keeps another from the other: all addresses include each one, of
/// either family.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let either_is_all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (either_is_all || one.ip() == other.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    fn states(listen: &str, protocol: Protocol, addr: &str, holder: Holder) -> [State; 2] {
        let sockets = Ok(vec![Bound { protocol, addr: addr.parse().unwrap(), holder }]);
        let checks = all(listen.parse().unwrap(), &sockets);
        [checks[0].state, checks[1].state]
    }

    fn process(is_daemon: bool) -> Holder {
        Holder::Process { pid: 7, name: "other".into(), is_daemon }
    }

    #[test]
    fn a_free_port_is_fine_and_so_is_one_that_our_daemon_has() {
        use State::Ok;
        assert_eq!(states("0.0.0.0:2377", Protocol::Tcp, "0.0.0.0:22", process(false)), [Ok; 2]);
        assert_eq!(states("0.0.0.0:2377", Protocol::Tcp, "0.0.0.0:2377", process(true)), [Ok; 2]);
    }

    #[test]
    fn another_program_on_a_port_is_named() {
        use State::{Missing, Ok};
        assert_eq!(states("0.0.0.0:2377", Protocol::Tcp, "127.0.0.1:2377", Holder::Hidden), [Missing, Ok]);
        assert_eq!(states("0.0.0.0:2377", Protocol::Udp, "0.0.0.0:4789", process(false)), [Ok, Missing]);
        let addr = "0.0.0.0:2377".parse().unwrap();
        let bound = Bound { protocol: Protocol::Tcp, addr, holder: process(false) };
        assert_eq!(all(addr, &Result::Ok(vec![bound]))[0].found, "used by other (process 7) at 0.0.0.0:2377");
    }

    #[test]
    fn the_same_port_at_another_address_or_protocol_is_no_conflict() {
        use State::{Missing, Ok};
        let taken = |listen, addr| states(listen, Protocol::Tcp, addr, process(false))[0];
        assert_eq!(taken("10.0.0.1:2377", "127.0.0.1:2377"), Ok);
        assert_eq!(taken("10.0.0.1:2377", "10.0.0.1:2377"), Missing);
        assert_eq!(taken("10.0.0.1:2377", "[::]:2377"), Missing);
        assert_eq!(states("0.0.0.0:2377", Protocol::Udp, "0.0.0.0:2377", process(false)), [Ok; 2]);
    }

    #[test]
    fn a_vxlan_device_of_the_kernels_is_worth_a_look() {
        let states = states("0.0.0.0:2377", Protocol::Udp, "0.0.0.0:4789", Holder::Kernel);
        assert_eq!(states, [State::Ok, State::Warning]);
    }

    #[test]
    fn sockets_that_cannot_be_listed_are_no_reason_to_give_up() {
        let checks = all("0.0.0.0:2377".parse().unwrap(), &Err("no /proc".into()));
        assert!(checks.iter().all(|check| check.state == State::Warning && check.found == "no /proc"));
    }

    #[test]
    fn an_address_of_another_machine_cannot_be_listened_on() {
        let addr = "192.0.2.1:2377".parse().unwrap();
        assert_eq!(listen_addr(addr, &Ok(())).state, State::Ok);
        assert_eq!(listen_addr(addr, &Err("not ours".into())).state, State::Missing);
    }
}
