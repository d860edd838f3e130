//! Which nodes a development cluster has, and which address belongs to each.

use proto::model::Role;

/// The most managers.
pub const MANAGERS_MAX: u8 = 40;
/// The most workers.
pub const WORKERS_MAX: u8 = 200;
/// Last number of the first manager's address.
const FIRST_MANAGER: u8 = 11;
/// Last number of the first worker's address. It does not depend on the number of managers, so that
/// a cluster can grow without a node moving.
const FIRST_WORKER: u8 = FIRST_MANAGER + MANAGERS_MAX;

/// One node's name, role and last number of its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub name: String,
    pub role: Role,
    pub number: u8,
}

/// The places of so many nodes: `m1`, `m2`, ..., then `w1`, `w2`, ...
pub(crate) fn places(managers: u8, workers: u8) -> Vec<Place> {
    let managers = (0..managers.min(MANAGERS_MAX)).map(|nth| Place {
        name: format!("m{}", nth + 1),
        role: Role::Manager,
        number: FIRST_MANAGER + nth,
    });
    let workers = (0..workers.min(WORKERS_MAX)).map(|nth| Place {
        name: format!("w{}", nth + 1),
        role: Role::Worker,
        number: FIRST_WORKER + nth,
    });
    managers.chain(workers).collect()
}

/// Whether a file or folder is named as a node.
pub(crate) fn is_node_name(name: &str) -> bool {
    name.strip_prefix(['m', 'w']).is_some_and(|number| number.parse::<u8>().is_ok_and(|number| number > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_node_of_the_largest_cluster_has_an_address_of_its_own() {
        let all = places(MANAGERS_MAX, WORKERS_MAX);
        let numbers: BTreeSet<u8> = all.iter().map(|place| place.number).collect();
        assert_eq!((all.len(), numbers.len()), (240, 240));
        assert!(numbers.iter().all(|number| (11..=250).contains(number)));
        assert!(all.iter().all(|place| is_node_name(&place.name)));
    }

    #[test]
    fn a_worker_keeps_its_address_when_managers_are_added() {
        let worker = |managers| places(managers, 1).pop().unwrap();
        assert_eq!(worker(1), worker(5));
    }

    #[test]
    fn other_files_are_not_taken_for_nodes() {
        for name in ["", "m", "m0", "images", "m1x", "w-1", "netns"] {
            assert!(!is_node_name(name), "{name}");
        }
    }
}
