//! Why a task finds no node, for the person who sees it pending.

use super::{
    filter::{self, Need, Unfit},
    room::Room,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// Says why no node fits, commonest reason first, with numbers.
pub(super) fn no_suitable_node(rooms: &[Room<'_>], need: &Need<'_>) -> String {
    #[expect(clippy::mutable_key_type, reason = "patterns are ordered by their text, which never changes")]
    let mut reasons: BTreeMap<Unfit<'_>, Vec<&Room<'_>>> = BTreeMap::new();
    for room in rooms {
        if let Err(unfit) = filter::check(room, need) {
            reasons.entry(unfit).or_default().push(room);
        }
    }
    let mut reasons: Vec<(Unfit<'_>, Vec<&Room<'_>>)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(unfit, rooms)| (Reverse(rooms.len()), *unfit));
    let parts: Vec<String> = reasons
        .iter()
        .map(|(unfit, rooms)| format!("{} {}", rooms.len(), describe(unfit, rooms, need)))
        .collect();
    match rooms.len() {
        0 => "no suitable node (there are no nodes)".to_owned(),
        1 => format!("no suitable node (0 of 1 node: {})", parts.join("; ")),
        count => format!("no suitable node (0 of {count} nodes: {})", parts.join("; ")),
    }
}

/// Says why the node that a task is meant for does not fit.
pub(super) fn own_node_unfit(room: &Room<'_>, need: &Need<'_>, unfit: &Unfit<'_>) -> String {
    let name = match &room.node.description {
        Some(description) if !description.hostname.is_empty() => description.hostname.clone(),
        _ => room.node.id.to_string(),
    };
    format!("no room on its node {name}: {}", describe(unfit, &[room], need))
}

/// A reason as it reads after the number of nodes it holds for.
pub(super) fn describe(unfit: &Unfit<'_>, rooms: &[&Room<'_>], need: &Need<'_>) -> String {
    let one_or_more = |one: &'static str, more| if rooms.len() == 1 { one } else { more };
    let wanted = need.spec.task.reservations;
    match unfit {
        Unfit::Down => "down".to_owned(),
        Unfit::Unregistered => "not registered yet".to_owned(),
        Unfit::Drained => "drained".to_owned(),
        Unfit::Paused => "paused".to_owned(),
        Unfit::Disconnected => "not connected just now".to_owned(),
        Unfit::Constraint(constraint) if constraint.comparison.excludes() => {
            format!("excluded by {constraint}")
        }
        Unfit::Constraint(constraint) => format!("{} {constraint}", one_or_more("lacks", "lack")),
        Unfit::Cpus => {
            let largest = rooms.iter().map(|room| room.free.nano_cpus).max().unwrap_or(0);
            format!("out of cpus (needs {}, most free {})", cpus(wanted.nano_cpus), cpus(largest))
        }
        Unfit::Memory => {
            let largest = rooms.iter().map(|room| room.free.memory_bytes).max().unwrap_or(0);
            format!("out of memory (needs {}, largest free {})", bytes(wanted.memory_bytes), bytes(largest))
        }
        Unfit::Port((protocol, port)) => {
            format!("{} port {port}/{protocol} in use", one_or_more("has", "have"))
        }
        Unfit::MaxReplicas(max) => {
            format!("{} the most replicas allowed per node, {max}", one_or_more("has", "have"))
        }
        Unfit::Hidden(network) => {
            let (has, its) = (one_or_more("has an address", "have addresses"), one_or_more("its", "their"));
            format!("{has} in the subnet of network {network}: change {its} address, or the network's subnet")
        }
        Unfit::Addresses(network) => {
            let (takes, has) = (one_or_more("takes", "take"), "which has only 1 free address left");
            format!("{takes} no part in network {network}, {has}")
        }
    }
}

/// Billionths of a processor as processors, to the third decimal, which is the smallest share.
fn cpus(nano_cpus: u64) -> String {
    decimal(nano_cpus / 1_000_000, 3)
}

/// A size in the largest unit of which there is at least one, to the first decimal, rounded down so
/// that what is free never looks like enough.
fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{} {unit}", decimal(u64::try_from(tenths).unwrap_or(u64::MAX), 1))
        }
        None => format!("{bytes} B"),
    }
}

/// A number of thousandths, tenths and so on, without zeros at the end.
fn decimal(parts: u64, places: u32) -> String {
    let one = 10u64.pow(places);
    let fraction = format!("{:0width$}", parts % one, width = places as usize);
    match fraction.trim_end_matches('0') {
        "" => (parts / one).to_string(),
        fraction => format!("{}.{fraction}", parts / one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!([2_000_000_000, 1_500_000_000, 1_000_000].map(cpus), ["2", "1.5", "0.001"]);
        assert_eq!(
            [2 << 30, (1 << 30) * 12 / 10 + 1, 512, 4 << 20].map(bytes),
            ["2 GiB", "1.2 GiB", "512 B", "4 MiB"]
        );
    }
}
