//! What is given out, in which order, and that nothing is given twice.

use super::*;
use crate::testing::{Bench, macvlan_in, network, node};
use proptest::prelude::*;
use proto::model::{Ipv6Pool, Network, NetworkSpec};

const NODE: NodeId = NodeId::from_bits(1);

fn placed(numbers: &mut Numbers<'_>, node: u128) -> Option<u32> {
    numbers.place(NodeId::from_bits(node), &BTreeSet::new()).map(|placed| placed.number)
}

#[test]
fn a_nodes_router_and_tasks_have_the_numbers_of_its_block_and_then_of_another() {
    let network = network(1, "front", "10.0.9.0/24");
    let mut numbers = Numbers::new(&network, [], []);
    let first = numbers.place(NODE, &BTreeSet::new()).unwrap();
    // 0 is the subnet's own address, 1 the gateway's.
    assert_eq!(first, Placed { number: 3, lease: Some(NodeLease { number: 2, blocks: [0].into() }) });
    assert_eq!(placed(&mut numbers, 2), Some(17));
    let more: Vec<u32> = (0..13).filter_map(|_| placed(&mut numbers, 1)).collect();
    assert_eq!((more[0], more[11], more[12]), (4, 15, 32));
    assert_eq!(numbers.lease_of(NODE).unwrap().blocks, [0, 2].into());
}

#[test]
fn virtual_addresses_come_from_the_top_downwards() {
    let network = network(1, "front", "10.0.9.0/24");
    let mut numbers = Numbers::new(&network, [], []);
    assert_eq!((numbers.take_vip(), numbers.take_vip()), (Some(254), Some(253)));
}

#[test]
fn a_number_that_was_in_use_a_short_while_ago_is_taken_last() {
    let network = network(1, "front", "10.0.9.0/24");
    let mut numbers = Numbers::new(&network, [], []);
    numbers.join(NODE);
    let rest: BTreeSet<u32> = (3..=14).collect();
    let taken: Vec<u32> =
        (0..3).filter_map(|_| numbers.place(NODE, &rest)).map(|placed| placed.number).collect();
    assert_eq!(taken, [15, 3, 4], "they are used before another block is");
}

#[test]
fn a_subnet_of_fewer_than_two_blocks_gives_out_single_numbers() {
    let network = network(1, "tiny", "10.0.9.0/28");
    let mut numbers = Numbers::new(&network, [], []);
    let first = numbers.place(NODE, &BTreeSet::new()).unwrap();
    assert_eq!(first.lease.unwrap().blocks, BTreeSet::new());
    assert_eq!((numbers.used(), total(&network)), (2, 13));
}

#[test]
fn a_range_is_all_that_is_given_out() {
    let mut network = network(1, "front", "10.0.0.0/16");
    network.ipv4.range = "10.0.1.64/26".parse().unwrap();
    let mut numbers = Numbers::new(&network, [], []);
    let given: BTreeSet<u32> = std::iter::from_fn(|| placed(&mut numbers, 1)).collect();
    assert_eq!((given.len(), total(&network)), (63, 64));
    assert!(given.iter().all(|number| (320..384).contains(number)));
}

#[test]
fn the_gateways_number_is_nobodys_in_either_family() {
    let mut network = network(1, "front", "10.0.9.0/29");
    network.ipv6 = Some(proto::model::Ipv6Pool {
        subnet: "fd00::/64".parse().unwrap(),
        gateway: "fd00::5".parse().unwrap(),
    });
    let usable: Vec<u32> = (0..8).filter(|&number| is_usable(&network, number)).collect();
    assert_eq!((usable.clone(), total(&network)), (vec![2, 3, 4, 6], usable.len() as u32));
}

/// What is asked for, one after the other.
#[derive(Debug, Clone)]
enum Step {
    Vip,
    Join(u128),
    Place(u128),
    /// Something that is held is given back.
    Release(usize),
    /// A node gives everything back.
    Leave(u128),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = 1u128..5;
    let step = prop_oneof![
        2 => Just(Step::Vip),
        1 => node.clone().prop_map(Step::Join),
        8 => node.clone().prop_map(Step::Place),
        3 => (0usize..100).prop_map(Step::Release),
        1 => node.prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..120)
}

/// What is held, kept apart from [`Numbers`], which is made anew for each step as the managers do.
#[derive(Default)]
struct Held {
    tasks: BTreeMap<u32, NodeId>,
    vips: BTreeSet<u32>,
}

impl Held {
    fn step(&mut self, network: &mut Network, step: &Step) -> Result<(), TestCaseError> {
        let known = network.clone();
        let held = self.all(&known);
        let leased: Vec<u32> = known.nodes.values().flat_map(|lease| lease.blocks.clone()).collect();
        let mut numbers = Numbers::new(&known, held.iter().copied(), leased);
        prop_assert_eq!(numbers.used() as usize, held.len());
        let left = numbers.left();
        let mut given = Vec::new();
        match *step {
            Step::Vip => {
                let vip = numbers.take_vip();
                prop_assert_eq!(vip.is_some(), left > 0);
                given.extend(vip);
                self.vips.extend(vip);
            }
            Step::Join(node) => {
                let node = NodeId::from_bits(node);
                if let Some(lease) = numbers.join(node) {
                    given.push(lease.number);
                    network.nodes.insert(node, lease);
                } else {
                    prop_assert!(left == 0 || known.nodes.contains_key(&node));
                }
            }
            Step::Place(node) => {
                let node = NodeId::from_bits(node);
                let is_new = !known.nodes.contains_key(&node);
                let placed = numbers.place(node, &BTreeSet::new());
                prop_assert_eq!(placed.is_some(), left > u32::from(is_new));
                if let Some(Placed { number, lease }) = placed {
                    given.push(number);
                    self.tasks.insert(number, node);
                    if let Some(lease) = lease {
                        given.extend(is_new.then_some(lease.number));
                        network.nodes.insert(node, lease);
                    }
                }
            }
            Step::Release(which) => {
                if let Some(&number) = self.tasks.keys().nth(which % self.tasks.len().max(1)) {
                    self.tasks.remove(&number);
                } else {
                    self.vips.pop_first();
                }
            }
            Step::Leave(node) => {
                let node = NodeId::from_bits(node);
                self.tasks.retain(|_, on| *on != node);
                network.nodes.remove(&node);
            }
        }
        for number in &given {
            prop_assert!(!held.contains(number), "{number} is given twice");
            prop_assert!(is_usable(network, *number), "{number} is given");
        }
        Ok(())
    }

    fn all(&self, network: &Network) -> BTreeSet<u32> {
        let routers = network.nodes.values().map(|lease| lease.number);
        self.tasks.keys().copied().chain(self.vips.iter().copied()).chain(routers).collect()
    }
}

proptest! {
    #[test]
    fn nothing_is_given_twice_nothing_is_refused_while_there_is_some_and_all_comes_back(
        steps in steps(),
        prefix in 25u8..=29,
    ) {
        let mut network = network(1, "front", &format!("10.0.9.0/{prefix}"));
        let mut held = Held::default();
        for step in &steps {
            held.step(&mut network, step)?;
            let blocks: Vec<u32> = network.nodes.values().flat_map(|lease| lease.blocks.clone()).collect();
            prop_assert_eq!(blocks.iter().collect::<BTreeSet<_>>().len(), blocks.len(), "a block is leased twice");
        }
        for node in 1..5 {
            held.step(&mut network, &Step::Leave(node))?;
        }
        held.vips.clear();
        prop_assert_eq!(Numbers::new(&network, held.all(&network), []).left(), total(&network));
    }
}

#[test]
fn after_ten_thousand_moves_nothing_has_leaked() {
    let mut network = network(1, "front", "10.0.9.0/24");
    let mut held = Held::default();
    // Knuth's generator: the same moves in each run.
    let mut random = 1u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for _ in 0..10_000 {
        let node = u128::from(1 + next(6));
        let step = match next(20) {
            0..=3 => Step::Vip,
            4..=5 => Step::Join(node),
            6..=12 => Step::Place(node),
            13..=18 => Step::Release(usize::try_from(next(1000)).unwrap()),
            _ => Step::Leave(node),
        };
        held.step(&mut network, &step).unwrap();
    }
    for node in 1..=6 {
        held.step(&mut network, &Step::Leave(node)).unwrap();
    }
    held.vips.clear();
    assert_eq!(Numbers::new(&network, [], []).left(), total(&network));
    assert_eq!((held.all(&network).len(), network.nodes.len()), (0, 0));
}

#[test]
fn on_the_nodes_link_no_task_gets_what_a_node_has_or_is_reached_by_in_either_family() {
    let mut bench = Bench::new();
    let id = bench.add(node(1).data_path("198.51.100.1"));
    bench.edit_node(id, |node| {
        node.status.addr = Some("192.0.2.2".parse().unwrap());
        let all = ["192.0.2.3", "2001:db8::4", "2001:db8::1:2:3:4", "203.0.113.9"];
        node.description.as_mut().unwrap().addresses = all.map(|text| text.parse().unwrap()).into();
    });
    let gateway = "2001:db8::1".parse().unwrap();
    let ipv6_pool = Some(Ipv6Pool { subnet: "2001:db8::/64".parse().unwrap(), gateway });
    let lan = bench.add_network(NetworkSpec { ipv6: true, ipv6_pool, ..macvlan_in("lan", "192.0.2.0/29") });
    let mut numbers = Numbers::of(&bench.state, bench.state.network(lan).unwrap());
    let placed = std::iter::from_fn(|| Some(numbers.place(id, &BTreeSet::new())?.number));
    assert_eq!(placed.collect::<Vec<_>>(), [5, 6]);
}
