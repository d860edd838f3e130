//! The nft table of a network's sandbox: balancing, source checks, and the border of the network.
//!
//! A virtual address leads to a backend by two lookups in all, however many services there are: whether it is one, and
//! what its next slot holds. A change of backends changes elements only; connections under way live in conntrack.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::IpAddr;

use ipnet::IpNet;

use super::balance::Tier;
use super::challenge;
use super::elements::{self, ElementChange, Elements};
use super::mesh::Mesh;
use super::names::{CONTAINER_LINKS, TUNNEL};
use super::sets::{Family, Set};
use crate::network::nft_table::Table;

/// A chain: name, hook, rules.
pub(super) type NetChain = (&'static str, &'static str, Vec<String>);

/// All that the table of one sandbox depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The table's name.
    pub table: String,
    /// The network's families, IPv4 first.
    pub sides: Vec<Side>,
    /// Which of a service's backends this node begins with; see [`super::balance::slots`].
    pub turn: u32,
    /// Virtual addresses and their backends.
    pub services: BTreeMap<IpAddr, BTreeSet<IpAddr>>,
    /// Backends that get no new connections and keep those they have.
    pub draining: BTreeSet<IpAddr>,
    /// Links to containers and the containers' addresses.
    pub containers: BTreeMap<String, BTreeSet<IpAddr>>,
    /// What the ingress network has besides.
    pub mesh: Option<Mesh>,
}

/// What turns one table into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulesChange {
    /// The nft text of the whole table.
    Whole(String),
    /// Some of its elements.
    Elements(ElementChange),
}

/// One address family of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// All its addresses.
    pub pool: IpNet,
    /// This node's own address in it.
    pub router: IpAddr,
}

impl Side {
    /// Returns its family.
    pub fn family(&self) -> Family {
        Family::of(self.router)
    }
}

impl Rules {
    /// Renders the whole table, in the place of one of the same name.
    pub fn script(&self) -> String {
        let mut table = Table::replacing(&self.table);
        let elements = by_set(&self.elements());
        let of = |set: Set| elements.get(&set).map_or(&[][..], Vec::as_slice);
        for set in self.sets() {
            table.block(&set.head(), &[set.kind()], of(set));
        }
        for family in self.families() {
            table.chain(&balancing(family), None, &balance_rules(family));
        }
        for (name, hook, rules) in [
            ("sources", "type filter hook prerouting priority raw; policy accept;", self.source_rules()),
            ("balance", "type nat hook prerouting priority dstnat; policy accept;", self.vip_rules()),
            // After balancing: what still goes to a virtual address found no backend.
            ("refuse", "type filter hook prerouting priority -90; policy accept;", self.refuse_rules()),
            ("hairpin", "type nat hook postrouting priority srcnat; policy accept;", self.hairpin_rules()),
            ("border", "type filter hook forward priority filter; policy drop;", self.border_rules()),
            challenge::chain(),
        ] {
            table.chain(name, Some(hook), &rules);
        }
        let Some(mesh) = &self.mesh else { return table.finish() };
        for (name, hook, rules) in mesh.chains(&self.sides) {
            table.chain(name, Some(hook), &rules);
        }
        table.finish() + &Mesh::returns_table(&self.table, of(Set::Returns))
    }

    /// Decides what turns this table into another, as one transaction; `None` when there is nothing to do.
    pub fn change(&self, to: &Self) -> Option<RulesChange> {
        let shape = |rules: &Self| rules.mesh.as_ref().map(|mesh| (mesh.uplink, mesh.mtu));
        if (&self.table, &self.sides, self.turn, shape(self)) != (&to.table, &to.sides, to.turn, shape(to)) {
            return Some(RulesChange::Whole(to.script()));
        }
        let (mut old, mut new) = (Elements::new(), Elements::new());
        for (mine, theirs, into) in [(self, to, &mut old), (to, self, &mut new)] {
            let services =
                mine.services.iter().filter(|(vip, backends)| theirs.services.get(vip) != Some(backends));
            into.extend(services.flat_map(|(vip, backends)| elements::of_service(*vip, backends, mine.turn)));
            let containers = mine
                .containers
                .iter()
                .filter(|(link, addresses)| theirs.containers.get(*link) != Some(addresses));
            into.extend(containers.flat_map(|(link, addresses)| elements::of_container(link, addresses)));
            if let (Some(mesh), Some(theirs)) = (&mine.mesh, &theirs.mesh) {
                into.extend(mesh.elements_besides(theirs, mine.turn));
            }
        }
        ElementChange::between(&to.table, &old, &new).map(RulesChange::Elements)
    }

    /// Tells whether new connections to a virtual address may go to a backend.
    pub fn balances(&self, vip: IpAddr, backend: IpAddr) -> bool {
        self.services.get(&vip).is_some_and(|backends| backends.contains(&backend))
    }

    pub(super) fn elements(&self) -> Elements {
        let services =
            self.services.iter().flat_map(|(vip, backends)| elements::of_service(*vip, backends, self.turn));
        let containers =
            self.containers.iter().flat_map(|(link, addresses)| elements::of_container(link, addresses));
        let mesh = self.mesh.iter().flat_map(|mesh| mesh.elements(self.turn));
        services.chain(containers).chain(mesh).collect()
    }

    fn sets(&self) -> Vec<Set> {
        let mut all = Vec::new();
        for family in self.families() {
            all.push(Set::Vips(family));
            all.extend(Tier::ALL.map(|tier| Set::Slots(family, tier)));
            all.push(Set::Sources(family));
        }
        all.push(Set::Hairpins);
        if self.mesh.is_some() {
            let ports = |family| Tier::ALL.map(|tier| Set::Ports(family, tier));
            all.extend(self.families().flat_map(ports).chain([Set::Zones, Set::Origins]));
        }
        all
    }

    fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.sides.iter().map(Side::family)
    }

    /// Only a container's own addresses come from its link; link-local IPv6 is needed by neighbour discovery and goes no
    /// further than the sandbox. What is met most often stands first, here and in the other chains: each rule costs each
    /// packet.
    fn source_rules(&self) -> Vec<String> {
        let zone = self.mesh.iter().map(|_| Mesh::zone_rule());
        let tunnel = format!("iifname {TUNNEL:?} accept");
        let own = self.families().map(|family| {
            let (word, sources) = (family.word(), Set::Sources(family).name());
            format!("iifname . {word} saddr @{sources} accept")
        });
        let mut rules: Vec<String> = zone.chain([tunnel]).chain(own).collect();
        if self.families().any(|family| family == Family::Ipv6) {
            rules.push("ip6 saddr { ::, fe80::/10 } ip6 daddr { fe80::/10, ff02::/16 } accept".to_owned());
        }
        rules.push(format!("iifname {CONTAINER_LINKS:?} drop"));
        rules
    }

    fn vip_rules(&self) -> Vec<String> {
        let rule = |family: Family| {
            let (word, vips) = (family.word(), Set::Vips(family).name());
            format!("{word} daddr @{vips} jump {}", balancing(family))
        };
        self.families().map(rule).collect()
    }

    fn refuse_rules(&self) -> Vec<String> {
        let known = "ct state established,related accept".to_owned();
        let rules = |family: Family| {
            let (word, vips) = (family.word(), Set::Vips(family).name());
            let message = match family {
                Family::Ipv4 => "icmp",
                Family::Ipv6 => "icmpv6",
            };
            [
                format!("{word} daddr @{vips} meta l4proto tcp reject with tcp reset"),
                format!("{word} daddr @{vips} reject with {message} port-unreachable"),
            ]
        };
        iter::once(known).chain(self.families().flat_map(rules)).collect()
    }

    /// A container that is balanced to itself would take its own packet for a forgery, and would answer itself directly.
    fn hairpin_rules(&self) -> Vec<String> {
        let hairpins = Set::Hairpins.name();
        let rule = |side: &Side| {
            let (word, router) = (side.family().word(), side.router);
            let family = match side.family() {
                Family::Ipv4 => "ipv4",
                Family::Ipv6 => "ipv6",
            };
            format!("meta nfproto {family} iifname . oifname @{hairpins} snat {word} to {router}")
        };
        self.sides.iter().map(rule).collect()
    }

    /// Nothing but the network's own addresses passes, and nothing goes back to where it came from: two nodes whose
    /// tables differ for a moment do not play ball. A connection whose first packet passed is judged no more: nearly all
    /// packets are of one, and rules cost each packet.
    fn border_rules(&self) -> Vec<String> {
        let mut rules = self.mesh.iter().flat_map(|mesh| mesh.clamp_rules(&self.sides)).collect::<Vec<_>>();
        rules.push("ct state established,related accept".to_owned());
        // What belongs to no connection is not translated: under its own address it would be taken for a stranger's, and
        // the answer to that would end the connection it is of.
        rules.push("ct state invalid drop".to_owned());
        rules.push(format!("iifname {TUNNEL:?} oifname {TUNNEL:?} drop"));
        if let Some(mesh) = &self.mesh {
            rules.extend(mesh.border_rules());
            return rules;
        }
        rules.extend(self.sides.iter().map(|Side { pool, router }| {
            let word = Family::of(*router).word();
            format!("{word} saddr {pool} {word} daddr {pool} accept")
        }));
        rules
    }
}

/// The name of the chain that leads virtual addresses to their backends.
fn balancing(family: Family) -> String {
    format!("balance_{}", family.word())
}

/// A map without the virtual address ends its rule, and the next tier is asked.
fn balance_rules(family: Family) -> [String; Tier::ALL.len()] {
    Tier::ALL.map(|tier| {
        let (word, slots, map) = (family.word(), tier.slots(), Set::Slots(family, tier).name());
        format!("dnat {word} to {word} daddr . numgen inc mod {slots} map @{map}")
    })
}

/// Sorts elements, as text, by the set they belong to.
fn by_set(elements: &Elements) -> BTreeMap<Set, Vec<String>> {
    let mut sorted: BTreeMap<Set, Vec<String>> = BTreeMap::new();
    elements.iter().for_each(|element| sorted.entry(element.set).or_default().push(element.to_string()));
    sorted
}
