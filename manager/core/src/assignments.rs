//! Assignments: what a node is told of its tasks and its networks, whole at first and then only what is
//! different.
//!
//! A node is told of every task that was assigned to it until the managers forget the task. That of one
//! that has ended tells the node to keep what is left of it, such as its output. That a task is to stop
//! is told only once nothing holds it; see [`crate::drains`].

use crate::{
    networks::{Table, Tables},
    payloads,
    state::State,
};
use proto::model::{
    DesiredState, NetworkId, NetworkUpdate, NodeId, PayloadDelivery, PayloadId, Task, TaskConnection, TaskId,
    TaskState,
};
use std::{collections::BTreeMap, sync::Arc};

/// How many bytes of secrets and configs go into one message, if it is not a single larger one.
const CONTENT_BYTES_MAX: usize = 2 << 20;

/// One message to a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignments {
    /// Whether these are all of them: what is not named is not the node's any more.
    pub full: bool,
    /// One more than that of the message before; the first one's is 1.
    pub sequence: u64,
    /// Tasks that are new to the node, or of which something else is wanted.
    pub put: Vec<Arc<Task>>,
    /// Tasks that are the node's no more.
    pub remove: Vec<TaskId>,
    /// What is new in the networks it takes part in.
    pub networks: Vec<NetworkUpdate>,
    /// Networks that it does not take part in any more.
    pub remove_networks: Vec<NetworkId>,
    /// Secrets and configs of its tasks that are new to it. What has no room follows in the next message.
    pub payloads: Vec<PayloadDelivery>,
    /// Those that none of its tasks needs any more.
    pub remove_payloads: Vec<(PayloadId, u64)>,
}

/// What a node has been told in its session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    sequence: u64,
    tasks: BTreeMap<TaskId, Wish>,
    networks: BTreeMap<NetworkId, Arc<Table>>,
    /// By what specs say, the number of the content.
    payloads: BTreeMap<(PayloadId, u64), u64>,
    /// Whether there was no room for all that was to be told.
    has_more: bool,
}

/// All of a task that can change for its node once it is assigned: what is wanted of it, whether it was
/// given up for lost, and what it was connected to. The rest the node itself reports.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    desired: DesiredState,
    orphaned: bool,
    connections: Vec<TaskConnection>,
}

impl Told {
    /// What to tell the node now, which counts as told then; `None` if it knows everything. What a
    /// session is told first is full, even if it is nothing. The tables are those of the state; a task that
    /// is held is not told to stop.
    pub fn tell(
        &mut self,
        state: &State,
        tables: &Tables,
        node: NodeId,
        is_held: impl Fn(TaskId) -> bool,
    ) -> Option<Assignments> {
        let assigned = |task: &&Arc<Task>| task.status.state >= TaskState::Assigned;
        let held: BTreeMap<TaskId, &Arc<Task>> =
            state.tasks_on(node).filter(assigned).map(|task| (task.id, task)).collect();
        // A stop that was told is not taken back: the node has begun it.
        let was_told =
            |id: TaskId| self.tasks.get(&id).is_some_and(|wish| wish.desired > DesiredState::Running);
        let wish = |task: &Task| Wish::of(task, is_held(task.id) && !was_told(task.id));
        let news = held.values().map(|&task| (task, wish(task)));
        let news = news.filter(|(task, wish)| self.tasks.get(&task.id) != Some(wish));
        let put: Vec<Arc<Task>> = news.map(|(task, wish)| wish.upon(task)).collect();
        let remove: Vec<TaskId> = self.tasks.keys().filter(|id| !held.contains_key(id)).copied().collect();
        let full = self.sequence == 0;
        let (networks, remove_networks) = self.tell_networks(tables, node);
        let (payloads, remove_payloads) = self.tell_payloads(state, held.values().copied());
        let nothing = put.is_empty()
            && remove.is_empty()
            && networks.is_empty()
            && remove_networks.is_empty()
            && payloads.is_empty()
            && remove_payloads.is_empty();
        if nothing && !full {
            return None;
        }
        self.sequence += 1;
        self.tasks.retain(|id, _| held.contains_key(id));
        self.tasks.extend(put.iter().map(|task| (task.id, Wish::of(task, false))));
        let sequence = self.sequence;
        Some(Assignments {
            full,
            sequence,
            put,
            remove,
            networks,
            remove_networks,
            payloads,
            remove_payloads,
        })
    }

    /// Whether there is more to tell at once.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Secrets and configs that are new to the node, as far as there is room, and those it does not need any more.
    fn tell_payloads<'a>(
        &mut self,
        state: &State,
        tasks: impl Iterator<Item = &'a Arc<Task>>,
    ) -> (Vec<PayloadDelivery>, Vec<(PayloadId, u64)>) {
        let wanted = payloads::wanted_by(state, tasks);
        let gone: Vec<_> = self.payloads.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        self.payloads.retain(|key, _| wanted.contains_key(key));
        let (mut told, mut bytes) = (Vec::new(), 0);
        self.has_more = false;
        for (key, edition) in wanted {
            if self.payloads.get(&key) == Some(&edition) {
                continue;
            }
            let Some(delivery) = payloads::delivery(state, key) else { continue };
            bytes += delivery.content.bytes().len();
            if bytes > CONTENT_BYTES_MAX && !told.is_empty() {
                self.has_more = true;
                break;
            }
            self.payloads.insert(key, edition);
            told.push(delivery);
        }
        (told, gone)
    }

    /// What is new in the networks that the node takes part in, and those it does not any more.
    fn tell_networks(&mut self, tables: &Tables, node: NodeId) -> (Vec<NetworkUpdate>, Vec<NetworkId>) {
        let present: BTreeMap<NetworkId, Arc<Table>> =
            tables.of_node(node).map(|(id, table)| (id, table.clone())).collect();
        let update = |(id, table): (&NetworkId, &Arc<Table>)| match self.networks.get(id) {
            Some(known) if Arc::ptr_eq(known, table) => None,
            Some(known) => Some(table.since(known, node)),
            None => Some(table.in_full(node)),
        };
        let updates = present.iter().filter_map(update).collect();
        let gone = self.networks.keys().filter(|id| !present.contains_key(id)).copied().collect();
        self.networks = present;
        (updates, gone)
    }
}

impl Wish {
    fn of(task: &Task, is_held: bool) -> Self {
        let desired = if is_held { task.desired.min(DesiredState::Running) } else { task.desired };
        let orphaned = task.status.state == TaskState::Orphaned;
        Self { desired, orphaned, connections: task.connections.clone() }
    }

    /// The task as it is told.
    fn upon(self, task: &Arc<Task>) -> Arc<Task> {
        match task.desired == self.desired {
            true => task.clone(),
            false => Arc::new(Task { desired: self.desired, ..Task::clone(task) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};
    use proto::model::{NetworkTable, Roll, TaskState};

    fn tell(told: &mut Told, bench: &Bench, node: NodeId) -> Option<Assignments> {
        told.tell(&bench.state, &bench.tables(), node, |_| false)
    }

    #[test]
    fn a_session_is_told_everything_first_and_then_what_is_different() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let web = bench.create(service("web").replicas(2));
        bench.pass();
        let mut told = Told::default();
        let first = tell(&mut told, &bench, node).unwrap();
        assert_eq!((first.full, first.sequence, first.put.len()), (true, 1, 2));
        assert_eq!(tell(&mut told, &bench, node), None);

        bench.scale(web, 1);
        bench.pass();
        let stop = tell(&mut told, &bench, node).unwrap();
        assert_eq!((stop.full, stop.sequence), (false, 2));
        assert_eq!(stop.put.iter().map(|task| task.desired).collect::<Vec<_>>(), [DesiredState::Remove]);

        let stopped = stop.put[0].id;
        bench.settle();
        let gone = tell(&mut told, &bench, node).unwrap();
        assert_eq!((gone.sequence, gone.put.len(), gone.remove), (3, 0, vec![stopped]));
    }

    #[test]
    fn a_session_without_tasks_is_told_so() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let mut told = Told::default();
        assert_eq!(
            tell(&mut told, &bench, node),
            Some(Assignments {
                full: true,
                sequence: 1,
                put: vec![],
                remove: vec![],
                networks: vec![],
                remove_networks: vec![],
                payloads: vec![],
                remove_payloads: vec![],
            })
        );
        assert_eq!(tell(&mut told, &bench, node), None);
    }

    #[test]
    fn a_task_that_is_held_goes_on_until_it_is_not() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let web = bench.create(service("web").replicas(2));
        bench.settle();
        let mut told = Told::default();
        tell(&mut told, &bench, node);
        bench.scale(web, 1);
        bench.pass();
        let held = |told: &mut Told| told.tell(&bench.state, &bench.tables(), node, |_| true);
        assert_eq!(held(&mut told), None);
        // A session that begins meanwhile is told of it as if nothing had changed.
        let first = held(&mut Told::default()).unwrap();
        assert!(first.put.iter().all(|task| task.desired == DesiredState::Running));
        let stop = tell(&mut told, &bench, node).unwrap();
        assert_eq!(stop.put.iter().map(|task| task.desired).collect::<Vec<_>>(), [DesiredState::Remove]);
        assert_eq!(held(&mut told), None, "what was told is not taken back");
    }

    #[test]
    fn what_the_node_itself_reports_is_not_told_back() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        bench.create(service("web").replicas(1));
        bench.pass();
        let mut told = Told::default();
        tell(&mut told, &bench, node);
        bench.settle();
        assert_eq!(tell(&mut told, &bench, node), None);
    }

    #[test]
    fn a_task_that_has_not_been_assigned_is_not_told() {
        let mut bench = Bench::new();
        let node = bench.add(node(1).label("disk", "hdd"));
        bench.create(service("agent").global().memory(u64::MAX));
        bench.pass();
        assert_eq!(bench.state.tasks_on(node).count(), 1);
        assert_eq!(tell(&mut Told::default(), &bench, node).unwrap().put, vec![]);
    }

    #[test]
    fn a_node_is_told_a_network_in_full_and_then_what_is_different_until_it_takes_no_part_any_more() {
        let mut bench = Bench::new();
        let ids = [1, 2].map(|n| bench.add(node(n)));
        let front = bench.add_network(network_spec("front"));
        let here = "node.hostname==node-1";
        let web = bench.create(service("web").constraint(here).network(front));
        bench.settle();
        let mut told = Told::default();
        let first = tell(&mut told, &bench, ids[0]).unwrap().networks.remove(0);
        assert!(first.full && first.put_services.len() == 1 && first.put_peers.len() == 1);
        let mut table = NetworkTable::new(first.info.clone());
        table.apply(first);

        let db = bench.create(service("db").constraint("node.hostname==node-2").network(front));
        bench.settle();
        let second = tell(&mut told, &bench, ids[0]).unwrap().networks.remove(0);
        let named: Vec<_> = second.put_services.iter().map(|service| service.id).collect();
        let peers: Vec<_> = second.put_peers.iter().map(|peer| peer.node).collect();
        assert_eq!((second.full, named, peers), (false, vec![db], vec![ids[1]]));
        table.apply(second);

        let ending = bench.live(db)[0].clone();
        bench.report(&ending, TaskState::Failed);
        let third = tell(&mut told, &bench, ids[0]).unwrap().networks.remove(0);
        assert!(third.put_services[0].endpoints.is_empty(), "its end removes the endpoint");
        table.apply(third);

        bench.remove(web);
        bench.settle();
        let last = tell(&mut told, &bench, ids[0]).unwrap();
        assert_eq!((last.networks, last.remove_networks), (vec![], vec![front]));
        assert_eq!(table.services.size(), 2);
    }

    #[test]
    fn a_node_that_takes_part_in_no_network_is_told_of_none() {
        let mut bench = Bench::new();
        let ids = [1, 2].map(|n| bench.add(node(n)));
        let front = bench.add_network(network_spec("front"));
        bench.create(service("web").constraint("node.hostname==node-1").network(front));
        bench.settle();
        assert_eq!(tell(&mut Told::default(), &bench, ids[1]).unwrap().networks, vec![]);
    }

    #[test]
    fn a_secret_is_told_to_nodes_whose_tasks_use_it_and_taken_away_with_the_last_of_them() {
        let mut bench = Bench::new();
        let ids = [1, 2].map(|n| bench.add(node(n)));
        let key = bench.add_secret("key", "hunter2");
        let here = service("web").replicas(2).constraint("node.hostname==node-1").secret(&bench.payload(key));
        let web = bench.create(here);
        bench.settle();
        let mut told = Told::default();
        let first = tell(&mut told, &bench, ids[0]).unwrap();
        assert_eq!(first.payloads.len(), 1, "once for both tasks");
        let delivery = &first.payloads[0];
        assert_eq!((delivery.key, delivery.content.bytes()), ((key, 1), b"hunter2".as_slice()));
        assert_eq!(tell(&mut Told::default(), &bench, ids[1]).unwrap().payloads, vec![]);

        bench.scale(web, 1);
        bench.settle();
        assert_eq!(tell(&mut told, &bench, ids[0]).unwrap().remove_payloads, vec![]);
        let last = bench.live(web)[0].clone();
        bench.scale(web, 0);
        bench.pass();
        assert_eq!(tell(&mut told, &bench, ids[0]).unwrap().remove_payloads, vec![], "it still runs");
        bench.report(&last, TaskState::Shutdown);
        assert_eq!(tell(&mut told, &bench, ids[0]).unwrap().remove_payloads, vec![(key, 1)]);
    }

    #[test]
    fn what_takes_a_contents_place_is_told_under_the_name_that_tasks_know() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let key = bench.add_secret("key", "one");
        let used = bench.payload(key);
        bench.create(service("web").secret(&used));
        bench.settle();
        let mut told = Told::default();
        tell(&mut told, &bench, node);
        bench.update_payload(key, "two", Roll::Signal("SIGHUP".parse().unwrap()));
        let news = tell(&mut told, &bench, node).unwrap();
        let delivery = &news.payloads[0];
        assert_eq!(
            (delivery.key, delivery.edition, delivery.content.bytes()),
            ((key, 1), 2, b"two".as_slice())
        );
        assert_eq!((delivery.signal.is_some(), news.put.len()), (true, 0));
    }

    #[test]
    fn more_than_fits_into_a_message_follows_in_others() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let mut web = service("web");
        for number in 0..11 {
            let key = bench.add_secret(&format!("key{number}"), &"x".repeat(500_000));
            web = web.secret(&bench.payload(key));
        }
        bench.create(web);
        bench.settle();
        let mut told = Told::default();
        let mut messages = Vec::new();
        while let Some(message) = tell(&mut told, &bench, node) {
            messages.push((message.full, message.payloads.len(), told.has_more()));
        }
        assert_eq!(messages, [(true, 4, true), (false, 4, true), (false, 3, false)]);
    }

    #[test]
    fn a_network_comes_with_the_first_task_that_needs_it() {
        let mut bench = Bench::new();
        let node = bench.add(node(1));
        let mut told = Told::default();
        tell(&mut told, &bench, node);
        let front = bench.add_network(network_spec("front"));
        bench.create(service("web").network(front));
        bench.pass();
        let assigned = tell(&mut told, &bench, node).unwrap();
        assert_eq!((assigned.put.len(), assigned.networks.len()), (1, 1));
        assert_eq!(assigned.put[0].addresses[0].network, assigned.networks[0].info.id);
    }
}
