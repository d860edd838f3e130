//! The part of a host's table that hands published ports to a sandbox.
//!
//! A port of all addresses is an element of one set, a port of some addresses of another, which has ranges of addresses
//! of one family: so a packet is looked up twice, however many ports there are.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::nft_table::Table;
use super::ports::Opening;
use super::uplink::UplinkAddresses;

/// The chain to jump to from those that translate addresses.
const CHAIN: &str = "hand_over";

/// To which sandbox a host hands its published ports, and by which link.
#[derive(Debug, Clone, Copy)]
pub struct HandOver<'a> {
    /// The name of the host's table.
    pub table: &'a str,
    /// The name of the host's end of the link.
    pub link: &'a str,
    /// The addresses of the link's two ends.
    pub addresses: UplinkAddresses,
    /// Whether IPv6 is handed over too.
    pub ipv6: bool,
}

/// A set of published ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Everywhere,
    AtIpv4,
    AtIpv6,
}

impl Set {
    fn of(opening: &Opening) -> Self {
        match opening.host_ip.map(|host_ip| host_ip.net()) {
            None => Self::Everywhere,
            Some(IpNet::V4(_)) => Self::AtIpv4,
            Some(IpNet::V6(_)) => Self::AtIpv6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "published",
            Self::AtIpv4 => "published_at4",
            Self::AtIpv6 => "published_at6",
        }
    }

    fn kind(self) -> Vec<String> {
        match self {
            Self::Everywhere => vec!["type inet_proto . inet_service".into()],
            Self::AtIpv4 => {
                vec!["type ipv4_addr . inet_proto . inet_service".into(), "flags interval".into()]
            }
            Self::AtIpv6 => {
                vec!["type ipv6_addr . inet_proto . inet_service".into(), "flags interval".into()]
            }
        }
    }
}

impl HandOver<'_> {
    /// Adds the sets and the chains that lead what is for published ports to the sandbox.
    pub fn add_to(&self, table: &mut Table, openings: &[Opening]) {
        for set in self.sets() {
            let elements: Vec<String> =
                openings.iter().filter(|opening| Set::of(opening) == set).map(element).collect();
            table.block(&format!("set {}", set.name()), &set.kind(), &elements);
        }
        table.chain(CHAIN, None, &self.rules());
        let local = "ip daddr 127.0.0.0/8";
        table.chain(
            "raw_prerouting",
            Some("type filter hook prerouting priority raw; policy accept;"),
            // route_localnet on the link would otherwise let a container speak to the host's 127.0.0.1.
            &[format!("{local} iifname {:?} drop", self.link)],
        );
        table.chain(
            "nat_prerouting",
            Some("type nat hook prerouting priority dstnat; policy accept;"),
            // What the host itself sends there is translated as it leaves. From elsewhere nobody may reach what is
            // published at 127.0.0.1 only, and the kernel drops such packets too late.
            &[format!("{local} return"), format!("jump {CHAIN}")],
        );
        table.chain(
            "nat_output",
            Some("type nat hook output priority -100; policy accept;"),
            &[format!("jump {CHAIN}")],
        );
    }

    /// Adds a statement that publishes a port.
    pub fn put_in(&self, script: &mut String, opening: &Opening) {
        self.statement(script, "add", opening);
    }

    /// Adds statements that withdraw a port. It is added before: nft refuses to delete what is not there, and a change may
    /// be carried out again.
    pub fn take_out(&self, script: &mut String, opening: &Opening) {
        self.statement(script, "add", opening);
        self.statement(script, "delete", opening);
    }

    fn statement(&self, script: &mut String, verb: &str, opening: &Opening) {
        let set = Set::of(opening);
        if !self.sets().contains(&set) {
            return;
        }
        let (table, set, element) = (self.table, set.name(), element(opening));
        writeln!(script, "{verb} element inet {table} {set} {{ {element} }}")
            .expect("a String takes any text");
    }

    fn sets(&self) -> Vec<Set> {
        let ipv6 = self.ipv6.then_some(Set::AtIpv6);
        [Set::Everywhere, Set::AtIpv4].into_iter().chain(ipv6).collect()
    }

    fn rules(&self) -> Vec<String> {
        let port = "meta l4proto . th dport";
        let (everywhere, at_ipv4, at_ipv6) = (Set::Everywhere.name(), Set::AtIpv4.name(), Set::AtIpv6.name());
        let to = format!("dnat ip to {}", self.addresses.sandbox_ipv4());
        let mut rules = vec![
            format!("meta nfproto ipv4 fib daddr type local {port} @{everywhere} {to}"),
            format!("fib daddr type local ip daddr . {port} @{at_ipv4} {to}"),
        ];
        if self.ipv6 {
            // IPv6 knows no route_localnet: a packet from ::1 cannot leave the loopback.
            let local = "ip6 daddr != ::1 fib daddr type local";
            let to = format!("dnat ip6 to {}", self.addresses.sandbox_ipv6());
            rules.push(format!("{local} {port} @{everywhere} {to}"));
            rules.push(format!("{local} ip6 daddr . {port} @{at_ipv6} {to}"));
        }
        rules
    }
}

fn element(opening: &Opening) -> String {
    let port = format!("{} . {}", opening.key.protocol, opening.key.port);
    match opening.host_ip {
        Some(host_ip) => format!("{} . {port}", host_ip.net()),
        None => port,
    }
}
