//! Where tasks go, and what is said if they go nowhere.

mod addresses;
mod oracle;

use crate::{
    liveness::Liveness,
    state::Change,
    testing::{
        BROKEN_ON_FIRST_IMAGE, Bench, MISSING_ON_FIRST_IMAGE, NodeBuilder, ServiceBuilder, node, service,
    },
};
use proto::model::{Availability, ClusterSpec, NodeId, NodeState, ServiceId, TaskState};
use std::{collections::BTreeMap, time::Duration};

const GIB: u64 = 1 << 30;

fn bench(nodes: impl IntoIterator<Item = NodeBuilder>) -> Bench {
    let mut bench = Bench::new();
    for node in nodes {
        bench.add(node);
    }
    bench
}

/// Makes a service and lets one pass place its tasks; says how many are on each node, by its number.
fn placed(bench: &mut Bench, service: ServiceBuilder) -> BTreeMap<u128, usize> {
    let id = bench.create(service);
    bench.pass();
    per_node(bench, id)
}

fn per_node(bench: &Bench, id: ServiceId) -> BTreeMap<u128, usize> {
    let mut counts = BTreeMap::new();
    for node in bench.live(id).iter().filter_map(|task| task.node) {
        *counts.entry(node.bits()).or_default() += 1;
    }
    counts
}

/// What is said of a service's first task that waits.
fn said(bench: &Bench, name: &str) -> String {
    let id = bench.state.service_named(&name.parse().unwrap()).unwrap().id;
    let tasks = bench.live(id);
    tasks
        .iter()
        .find(|task| task.status.state == TaskState::Pending)
        .expect("a task waits")
        .status
        .message
        .clone()
}

#[test]
fn the_tasks_of_a_service_are_spread_over_the_nodes() {
    let mut bench = bench((1..=3).map(node));
    assert_eq!(placed(&mut bench, service("web").replicas(7)), BTreeMap::from([(1, 3), (2, 2), (3, 2)]));
}

#[test]
fn a_node_with_fewer_tasks_of_the_service_comes_before_one_with_fewer_tasks() {
    let mut bench = bench((1..=2).map(node));
    placed(&mut bench, service("db").replicas(3).constraint("node.id==0000000000000000000000001"));
    let web = bench.create(service("web").replicas(1));
    bench.pass();
    assert_eq!(per_node(&bench, web), BTreeMap::from([(2, 1)]));
    bench.scale(web, 2);
    bench.pass();
    assert_eq!(per_node(&bench, web), BTreeMap::from([(1, 1), (2, 1)]));
}

#[test]
fn among_equal_nodes_the_one_with_more_left_is_taken() {
    let mut bench = bench((1..=2).map(node));
    placed(&mut bench, service("db").memory(6 * GIB));
    placed(&mut bench, service("cache").memory(GIB));
    assert_eq!(placed(&mut bench, service("web")), BTreeMap::from([(2, 1)]));
}

#[test]
fn a_task_on_its_way_out_is_none_to_spread_against() {
    let mut bench = bench((1..=3).map(node));
    let id = bench.create(service("web").replicas(3));
    bench.settle();
    let before: BTreeMap<_, _> = bench.live(id).iter().map(|task| (task.slot, task.node)).collect();
    bench.update_image(id, "app:2");
    bench.settle();
    let after: BTreeMap<_, _> = bench.live(id).iter().map(|task| (task.slot, task.node)).collect();
    assert_eq!(after, before);
}

#[test]
fn branches_of_a_preference_get_equal_shares_whatever_their_size() {
    let zones = [(1, "a"), (2, "a"), (3, "a"), (4, "b")].map(|(n, zone)| node(n).label("zone", zone));
    let mut bench = bench(zones.into_iter().chain([node(5)]));
    let counts = placed(&mut bench, service("web").replicas(9).spread("zone"));
    assert_eq!(counts, BTreeMap::from([(1, 1), (2, 1), (3, 1), (4, 3), (5, 3)]));
}

#[test]
fn preferences_form_a_hierarchy() {
    let rack = |n, zone, rack| node(n).label("zone", zone).label("rack", rack);
    let mut bench = bench([rack(1, "a", "1"), rack(2, "a", "2"), rack(3, "a", "2"), rack(4, "b", "3")]);
    let counts = placed(&mut bench, service("web").replicas(8).spread("zone").spread("rack"));
    assert_eq!(counts, BTreeMap::from([(1, 2), (2, 1), (3, 1), (4, 4)]));
}

#[test]
fn a_full_branch_leaves_the_rest_to_the_others() {
    let nodes = [node(1).label("zone", "a").resources(4, GIB), node(2).label("zone", "b")];
    let mut bench = bench(nodes);
    let counts = placed(&mut bench, service("web").replicas(5).spread("zone").memory(GIB));
    assert_eq!(counts, BTreeMap::from([(1, 1), (2, 4)]));
}

#[test]
fn a_task_without_a_node_says_why_with_the_commonest_reason_first() {
    let mut bench = bench([
        node(1).label("disk", "ssd").resources(4, GIB),
        node(2).label("disk", "ssd").resources(4, GIB * 12 / 10),
    ]);
    for n in 3..=5 {
        bench.add(node(n));
    }
    placed(&mut bench, service("web").constraint("node.labels.disk==ssd").memory(2 * GIB));
    assert_eq!(
        said(&bench, "web"),
        "no suitable node (0 of 5 nodes: 3 lack node.labels.disk==ssd; 2 out of memory (needs 2 GiB, largest free 1.1 GiB))"
    );
}

#[test]
fn each_reason_has_its_words() {
    let mut bench = bench((1..=6).map(node));
    let id = |n: u32| NodeId::from_bits(n.into());
    bench.drain(id(1));
    bench.edit_node(id(2), |node| node.spec.availability = Availability::Pause);
    bench.edit_node(id(3), |node| node.status.state = NodeState::Down);
    bench.offline.insert(id(3));
    bench.liveness.contacts.remove(&id(3));
    bench.add(node(7).unregistered());
    let at = |n: u32| format!("node.hostname==node-{n}");
    placed(&mut bench, service("proxy").host_port(80).constraint(&at(4)));
    placed(
        &mut bench,
        service("web").constraint("node.hostname!=node-6").host_port(80).max_per_node(1).replicas(2),
    );
    assert_eq!(
        said(&bench, "web"),
        "no suitable node (0 of 7 nodes: 2 have port 80/tcp in use; 1 down; 1 not registered yet; 1 drained; 1 paused; 1 excluded by node.hostname!=node-6)"
    );
    placed(&mut bench, service("one").constraint(&at(5)).max_per_node(1).replicas(2));
    assert!(said(&bench, "one").ends_with("1 has the most replicas allowed per node, 1)"));
    let cpus = |spec: ServiceBuilder| spec.constraint(&at(5)).cpus(4500);
    placed(&mut bench, cpus(service("busy")));
    assert!(said(&bench, "busy").ends_with("1 out of cpus (needs 4.5, most free 4))"));
}

#[test]
fn without_nodes_that_is_what_is_said() {
    let mut bench = bench([]);
    placed(&mut bench, service("web"));
    assert_eq!(said(&bench, "web"), "no suitable node (there are no nodes)");
}

#[test]
fn a_message_is_written_once_and_again_when_it_changes() {
    let mut bench = bench([]);
    placed(&mut bench, service("web"));
    assert!(bench.pass().is_empty());
    bench.add(node(1).label("x", "y"));
    bench.edit_node(NodeId::from_bits(1), |node| node.spec.availability = Availability::Pause);
    assert!(!bench.pass().is_empty());
    assert_eq!(said(&bench, "web"), "no suitable node (0 of 1 node: 1 paused)");
}

#[test]
fn a_global_task_waits_for_room_on_its_own_node() {
    let mut bench = bench([node(1), node(2).resources(4, GIB)]);
    placed(&mut bench, service("agent").global().memory(2 * GIB));
    assert_eq!(
        said(&bench, "agent"),
        "no room on its node node-2: out of memory (needs 2 GiB, largest free 1 GiB)"
    );
}

#[test]
fn what_a_task_holds_is_free_when_its_end_is_confirmed_and_not_before() {
    let mut bench = bench([node(1)]);
    let old = bench.create(service("old").host_port(80));
    bench.settle();
    bench.remove(old);
    let new = bench.create(service("new").host_port(80));
    bench.pass();
    assert_eq!(said(&bench, "new"), "no suitable node (0 of 1 node: 1 has port 80/tcp in use)");
    bench.settle();
    assert_eq!(bench.states(new), [TaskState::Running]);
}

#[test]
fn a_task_keeps_its_node() {
    let mut bench = bench((1..=2).map(node));
    let id = bench.create(service("web"));
    bench.pass();
    let task = bench.live(id)[0].clone();
    let other = NodeId::from_bits(3 - task.node.unwrap().bits());
    bench.change(Change::AssignTask { task: task.id, node: other, at: bench.now, addresses: vec![] });
    assert_eq!(bench.live(id)[0].node, task.node);
}

#[test]
fn a_new_leader_gives_the_nodes_a_heartbeat_period_to_call_and_then_uses_those_that_did() {
    let mut bench = bench((1..=2).map(node));
    bench.pass();
    bench.liveness = Liveness { leader_since: bench.now, ..Liveness::default() };
    bench.offline.insert(NodeId::from_bits(1));
    assert_eq!(placed(&mut bench, service("web").replicas(2)), BTreeMap::new());
    bench.now = bench.now + ClusterSpec::default().heartbeat_period;
    bench.pass();
    let web = bench.state.service_named(&"web".parse().unwrap()).unwrap().id;
    assert_eq!(per_node(&bench, web), BTreeMap::from([(2, 2)]));
}

#[test]
fn when_all_nodes_have_called_a_new_leader_waits_for_nothing() {
    let mut bench = bench((1..=2).map(node));
    bench.pass();
    bench.liveness = Liveness { leader_since: bench.now, ..Liveness::default() };
    assert_eq!(placed(&mut bench, service("web").replicas(2)), BTreeMap::from([(1, 1), (2, 1)]));
}

#[test]
fn a_node_without_a_session_gets_no_new_tasks() {
    let mut bench = bench([node(1)]);
    bench.pass();
    let node = NodeId::from_bits(1);
    bench.contact(node).connected = false;
    bench.offline.insert(node);
    placed(&mut bench, service("web"));
    assert_eq!(said(&bench, "web"), "no suitable node (0 of 1 node: 1 not connected just now)");
}

#[test]
fn a_node_that_rejected_a_task_gets_another_only_if_no_other_node_fits() {
    let mut bench = bench([node(1), node(2)]);
    let web = bench.create(service("web").replicas(3).image(MISSING_ON_FIRST_IMAGE));
    bench.run_for(Duration::from_secs(60));
    assert_eq!(per_node(&bench, web), [(2, 3)].into());
    assert!(bench.live(web).iter().all(|task| task.status.state == TaskState::Running));
    let rejected = |bench: &Bench, id| {
        bench.state.tasks_of(id).filter(|task| task.status.state == TaskState::Rejected).count()
    };
    assert!(rejected(&bench, web) <= 3, "each slot is tried there once at most");
    let db = bench.create(service("db").image(MISSING_ON_FIRST_IMAGE).constraint("node.hostname==node-1"));
    bench.run_for(Duration::from_secs(60));
    assert!(rejected(&bench, db) > 1, "there is no other node");
}

#[test]
fn a_node_on_which_a_service_keeps_failing_is_avoided_for_a_while() {
    let mut bench = bench([node(1), node(2)]);
    // The second node is taken, so the first one has the fewest tasks each time.
    let busy = bench.create(service("busy").replicas(3).constraint("node.hostname==node-2"));
    bench.settle();
    let web = bench.create(service("web").image(BROKEN_ON_FIRST_IMAGE));
    bench.run_for(Duration::from_secs(200));
    assert_eq!(per_node(&bench, web), [(2, 1)].into());
    assert_eq!(bench.live(web)[0].status.state, TaskState::Running);
    let failed = bench.tasks(web).iter().filter(|task| task.status.state == TaskState::Failed).count();
    assert_eq!(failed, 3);
    assert_eq!(bench.live(busy).len(), 3);
    // Another version may well run there.
    bench.update_image(web, "app:2");
    bench.settle();
    assert_eq!(per_node(&bench, web), [(1, 1)].into());
}
