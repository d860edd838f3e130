//! What a task's start costs the leader in messages, whatever the number of nodes: `--no-capture` prints the figures.

use super::*;
use futures::FutureExt;
use manager_core::{
    assignments::Told,
    reconcile,
    state::{Change, Transaction},
    testing::{Bench, network_in, network_spec, node, service},
};
use proto::model::{IdSource, NetworkId, ServiceId, TaskState, TaskStatus};

/// The nodes of the network that is not everywhere.
const SMALL: u32 = 5;

/// A leader with a session for each of its nodes.
struct Leader {
    bench: Bench,
    hub: Hub,
    sessions: BTreeMap<NodeId, (Seat, Told)>,
    ids: Counted,
}

struct Counted(u128);

impl IdSource for Counted {
    fn next_bits(&mut self) -> u128 {
        self.0 += 1;
        self.0 << 90
    }
}

/// What was sent while a task started.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    /// To the task's own node.
    own: usize,
    /// To each other node concerned: the least and the most.
    others: Option<(usize, usize)>,
    /// How many others were told anything.
    concerned: usize,
    /// How many sessions were woken for nothing.
    idle_wakes: usize,
}

impl Leader {
    fn new(bench: Bench) -> Self {
        let hub = Hub::default();
        let open = |id| (id, (hub.open(id, 1, mpsc::channel(1).0, Timestamp(0)), Told::default()));
        let sessions = bench.state.nodes().map(|node| open(node.id)).collect();
        let mut leader = Self { bench, hub, sessions, ids: Counted(1 << 20) };
        leader.hub.wake_all();
        leader.tell(&mut BTreeMap::new(), &mut 0);
        leader
    }

    fn apply(&mut self, transaction: &Transaction) {
        let events = self.bench.state.apply(transaction).unwrap().events;
        self.hub.wake(&events);
        self.hub.tables(&self.bench.state, Timestamp(0));
    }

    /// Lets every session that was woken say what is to be said, as `Session::tell` does.
    fn tell(&mut self, messages: &mut BTreeMap<NodeId, usize>, idle_wakes: &mut usize) {
        let tables = self.hub.tables(&self.bench.state, Timestamp(0));
        for (&node, (seat, told)) in &mut self.sessions {
            if seat.wake.notified().now_or_never().is_none() {
                continue;
            }
            let (held, _) = self.hub.held(node, Timestamp(0));
            match told.tell(&self.bench.state, &tables, node, |task| held.contains(&task)) {
                Some(_) => *messages.entry(node).or_default() += 1,
                None => *idle_wakes += 1,
            }
        }
    }

    /// Starts one task more of a service, and follows it until it runs.
    fn start_one(&mut self, web: ServiceId) -> Cost {
        let (mut messages, mut idle_wakes) = (BTreeMap::new(), 0);
        let before: BTreeSet<_> = self.bench.tasks(web).iter().map(|task| task.id).collect();
        self.bench.scale(web, before.len() as u32 + 1);
        let decision =
            reconcile::pass(&self.bench.state, self.bench.now, &mut self.ids, &self.bench.liveness);
        for transaction in &decision.transactions {
            self.apply(transaction);
        }
        self.tell(&mut messages, &mut idle_wakes);
        let tasks = self.bench.tasks(web);
        let task = tasks.iter().find(|task| !before.contains(&task.id)).unwrap();
        let own = task.node.unwrap();
        for state in [
            TaskState::Accepted,
            TaskState::Preparing,
            TaskState::Ready,
            TaskState::Starting,
            TaskState::Running,
        ] {
            let status = TaskStatus { state, ..TaskStatus::new(self.bench.now) };
            self.apply(&Transaction::of(vec![Change::ReportStatus { task: task.id, status }]));
            self.tell(&mut messages, &mut idle_wakes);
        }
        let own = messages.remove(&own).unwrap_or_default();
        let others =
            messages.values().min().zip(messages.values().max()).map(|(least, most)| (*least, *most));
        Cost { own, others, concerned: messages.len(), idle_wakes }
    }
}

/// A cluster whose nodes are all in one network, and a few of them in another one.
fn cluster(nodes: u32) -> (Leader, ServiceId, ServiceId) {
    let mut bench = Bench::new();
    for number in 1..=nodes {
        let node = node(number);
        bench.add(if number <= SMALL { node.label("few", "yes") } else { node });
    }
    let (wide, small) =
        (bench.add_network(network_in("wide", "10.96.0.0/16")), bench.add_network(network_spec("small")));
    let on = |name: &str, network: NetworkId| service(name).network(network);
    bench.create(on("everywhere", wide).global());
    bench.create(on("there", small).global().constraint("node.labels.few==yes"));
    let web = bench.create(on("web", wide).replicas(1));
    let few = bench.create(on("few", small).replicas(1).constraint("node.labels.few==yes"));
    bench.settle();
    (Leader::new(bench), web, few)
}

#[test]
fn a_tasks_start_costs_the_leader_the_same_messages_for_each_node_concerned_in_clusters_of_any_size() {
    println!(
        "messages of a task's start: to its node, to each other node of its network; sessions woken for nothing"
    );
    let costs = [10, 100, 1000].map(|nodes| {
        let (mut leader, web, few) = cluster(nodes);
        let costs = [leader.start_one(few), leader.start_one(web)];
        for (network, cost) in [(SMALL, &costs[0]), (nodes, &costs[1])] {
            println!("{nodes:5} nodes, {network:4} in the network: {cost:?}");
        }
        (nodes, costs)
    });
    let [_, (_, [small, wide]), _] = &costs;
    for (nodes, [few, web]) in &costs {
        assert_eq!(few, small, "{nodes} nodes");
        assert_eq!((few.concerned, web.concerned), (SMALL as usize - 1, *nodes as usize - 1));
        assert_eq!((web.own, web.others), (wide.own, wide.others), "{nodes} nodes");
        assert_eq!(web.idle_wakes, wide.idle_wakes, "{nodes} nodes");
    }
}

#[test]
fn a_node_is_told_of_its_own_networks_however_many_there_are() {
    for networks in [1, 100, 1000] {
        let mut bench = Bench::new();
        let id = bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        (1..networks).for_each(|number| _ = bench.add_network(network_spec(&format!("other{number}"))));
        bench.create(service("web").network(front));
        bench.settle();
        let tables = Hub::default().tables(&bench.state, Timestamp(0));
        let told = Told::default().tell(&bench.state, &tables, id, |_| false).unwrap();
        let told: Vec<NetworkId> = told.networks.iter().map(|update| update.info.id).collect();
        assert_eq!(told, [front], "of {networks}");
    }
}
