//! What a sandbox has to hold for a network, and what the kernel says it holds, both as text: the entries that are in one of
//! them only are stale or missing.
//!
//! What is wanted is reckoned here anew, and not taken from the code that carries it out.

use std::collections::{BTreeMap, BTreeSet};

use worker_core::dns::{Answer, Kind, Question, Record};
use worker_core::overlay::Mac;
use worker_network::Namespace;

use crate::host::{Fault, Host, run};
use crate::model::{Model, NETWORK, Node};

/// Entries by what they are.
pub type Entries = BTreeMap<&'static str, BTreeSet<String>>;

pub const ROUTES: &str = "routes";
pub const NEIGHBOURS: &str = "neighbours";
pub const FORWARDING: &str = "forwarding (FDB)";
pub const BALANCING: &str = "balancing";
pub const NAMES: &str = "names (DNS)";

/// Reckons what the first node has to hold.
pub fn wanted(model: &Model) -> Entries {
    let (others, turn) = (&model.nodes[1..], model.nodes[0].router);
    let mut entries = Entries::new();
    let mut routes: BTreeSet<String> = others.iter().flat_map(routes_to).collect();
    routes.insert(format!("unreachable {}", Model::info().ipv4.subnet));
    entries.insert(ROUTES, routes);
    let neighbour = |node: &Node| format!("{} {}", address(node.router), Mac::of_router(node.router));
    entries.insert(NEIGHBOURS, others.iter().map(neighbour).collect());
    let forwarding = |node: &Node| format!("{} {}", Mac::of_router(node.router), node.data_path);
    entries.insert(FORWARDING, others.iter().map(forwarding).collect());
    entries.insert(BALANCING, (0..model.services.len()).flat_map(|at| slots(model, at, turn)).collect());
    let names = |at: usize| {
        let name = model.services[at].name.to_string();
        model.backends(at).into_iter().map(move |address| format!("tasks.{name} {address}"))
    };
    entries.insert(NAMES, (0..model.services.len()).flat_map(names).collect());
    entries
}

/// Reads what a host holds.
pub async fn found(host: &Host, model: &Model) -> Result<Entries, Fault> {
    let sandbox = host.sandbox().await?;
    let mut entries = Entries::new();
    let routes = run(&sandbox, "ip -4 route show table main").await?;
    entries.insert(ROUTES, routes.lines().map(route).collect());
    let neighbours = run(&sandbox, "ip -4 neighbour show nud permanent dev vx0").await?;
    entries.insert(NEIGHBOURS, neighbours.lines().map(|line| words(line, &[0, 2])).collect());
    let forwarding = run(&sandbox, "bridge fdb show dev vx0").await?;
    entries.insert(FORWARDING, forwarding.lines().map(|line| words(line, &[0, 2])).collect());
    entries.insert(BALANCING, balancing(&sandbox).await?);
    let names = host.zones.of_container(&[NETWORK], true);
    let mut known = BTreeSet::new();
    for service in &model.services {
        let name = format!("tasks.{}", service.name);
        let question =
            Question::new(name.split('.').map(str::as_bytes), Kind::Ipv4).ok_or("a name is ASCII")?;
        let Answer::Records(records) = names.answer(&question, 0) else { continue };
        known.extend(records.into_iter().filter_map(|record| match record {
            Record::Address(address) => Some(format!("{name} {address}")),
            Record::Pointer(_) | Record::Service { .. } => None,
        }));
    }
    entries.insert(NAMES, known);
    Ok(entries)
}

/// How many entries are in the first only.
pub fn beyond(entries: &Entries, others: &Entries, kind: &str) -> usize {
    entries[kind].difference(&others[kind]).count()
}

fn address(number: u32) -> String {
    Model::info().ipv4_address(number).to_string()
}

fn routes_to(node: &Node) -> Vec<String> {
    let router = address(node.router);
    let blocks = node.blocks.iter().map(|block| format!("{}/28", address(block * 16)));
    let singles = node.singles.iter().map(|number| address(*number));
    let held = blocks.chain(singles).map(|net| format!("{net} via {router}"));
    held.chain([format!("{router} dev vx0")]).collect()
}

/// A service's virtual address and its slots: up to eight tasks have one each.
fn slots(model: &Model, at: usize, turn: u32) -> Vec<String> {
    let Some(vip) = model.services[at].vip.map(address) else { return Vec::new() };
    let backends: Vec<_> = model.backends(at).into_iter().collect();
    let slot = |slot: usize| {
        let backend = backends[(turn as usize + slot) % backends.len()];
        format!("{vip} . {slot} : {backend}")
    };
    (0..backends.len()).map(slot).chain([vip.clone()]).collect()
}

/// `10.0.2.0/28 via 10.0.0.3 dev vx0 onlink` as destination and way.
fn route(line: &str) -> String {
    if line.starts_with("unreachable") { words(line, &[0, 1]) } else { words(line, &[0, 1, 2]) }
}

fn words(line: &str, at: &[usize]) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    at.iter().filter_map(|at| words.get(*at)).copied().collect::<Vec<_>>().join(" ")
}

/// Reads the elements of all sets of virtual addresses and their slots.
async fn balancing(sandbox: &Namespace) -> Result<BTreeSet<String>, Fault> {
    let text = run(sandbox, "nft -n list ruleset").await?;
    let mut elements = BTreeSet::new();
    // Of each set the part between the braces after `elements =`.
    for set in text.split("elements = {").skip(1) {
        let list = set.split('}').next().unwrap_or_default();
        elements
            .extend(list.split(',').map(|element| element.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    Ok(elements)
}
