//! A whole cluster in one thread: virtual time goes from one event to the next.

use super::{
    failure::Failure,
    group::{Batch, EPOCH_MS, Group, Member},
    happening::Happening,
    hosts::Host,
    network::{HostNo, Network},
    queue::Queue,
    requests::{Outcome, Request, RequestId, UnderWay},
    rng::Rng,
    settings::Settings,
    tally::Tally,
    trace::Trace,
    users::newcomer,
};
use crate::invariants::{Broken, Kept, Promises};
use manager_core::{
    ipam::ingress_network,
    requests::network,
    state::{Change, Event, EventKind, ObjectId, State, Transaction},
    testing::{cluster, network_in},
};
use proto::model::{Cluster, Id, IdSource, NetworkId, NetworkSpec, NodeId, TaskState, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

/// The cluster, its people, and everything that can go wrong with it.
#[derive(Debug)]
pub struct World {
    /// Its shape.
    pub settings: Settings,
    /// Virtual time since the beginning.
    pub now: Duration,
    /// The managers.
    pub group: Group,
    /// The machines that run tasks.
    pub hosts: Vec<Host>,
    /// The links between all of them.
    pub network: Network,
    /// What happened.
    pub trace: Trace,
    /// What must hold.
    pub promises: Promises,
    /// The requests that are under way.
    pub requests: BTreeMap<RequestId, UnderWay>,
    /// How much of what happened.
    pub tally: Tally,
    /// What came of the others.
    pub answers: BTreeMap<RequestId, Outcome>,
    /// Nodes that were removed.
    pub removed: BTreeSet<NodeId>,
    /// Networks that people asked for, of which they may grow tired.
    pub(super) made_networks: BTreeSet<NetworkId>,
    pub(super) requested: RequestId,
    pub(super) rng: Rng,
    /// Ids have a stream of their own, so that asking a loop once more changes nothing else.
    pub(super) ids: Rng,
    pub(super) leaderless_since: Option<Duration>,
    /// The entry that a leader was writing when its process ended.
    pub(super) left_behind: Option<Vec<Batch>>,
    /// Whether single steps go wrong now and then.
    pub(super) misfortune: bool,
    /// Whether nothing goes wrong and nobody wants anything any more.
    pub(super) quiet: bool,
    queue: Queue<Happening>,
    broken: Option<Broken>,
    events: u64,
}

impl Drop for World {
    /// The product panics where it finds itself at fault. That is to be seen again as well.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let broken = Broken::new("nothing_panics", "see the message of the panic".to_owned());
            eprintln!("{}", self.failure(&broken));
        }
    }
}

impl World {
    /// A cluster that was just made: every node has joined, and no daemon runs yet.
    pub fn new(settings: Settings) -> Self {
        let mut rng = Rng::new(settings.seed);
        let ids = rng.fork();
        let mut world = Self {
            now: Duration::ZERO,
            group: Group::default(),
            hosts: Vec::new(),
            network: Network::default(),
            trace: Trace::default(),
            promises: Promises::default(),
            requests: BTreeMap::new(),
            tally: Tally::default(),
            answers: BTreeMap::new(),
            removed: BTreeSet::new(),
            made_networks: BTreeSet::new(),
            requested: 0,
            rng,
            ids,
            leaderless_since: None,
            left_behind: None,
            misfortune: settings.faults,
            quiet: false,
            queue: Queue::default(),
            broken: None,
            events: 0,
            settings,
        };
        world.unpack();
        world
    }

    fn unpack(&mut self) {
        for _ in 0..self.settings.managers {
            let offset = i64::try_from(self.rng.between(0, 1000)).expect("it is small") - 500;
            self.group.members.push(Member::new(offset));
        }
        let made_at = Timestamp(EPOCH_MS);
        let cluster = Cluster { created_at: made_at, updated_at: made_at, ..cluster() };
        let mut changes = vec![Change::PutCluster(Box::new(cluster))];
        for host in 0..self.settings.nodes {
            let id: NodeId = Id::from_bits(self.rng.next_bits());
            let offset = self.any_clock_offset_ms();
            self.hosts.push(Host::new(host, id, offset));
            let node = newcomer(id);
            self.promises.written.asked(&Request::Join(Box::new(node.clone())));
            changes.push(Change::PutNode(Box::new(node)));
            self.after(Duration::from_millis(10), Happening::DaemonStarts { host });
        }
        self.commit(&[vec![Transaction::of(changes)]], None);
        self.make_networks(made_at);
        self.elect(0);
        self.after(Duration::ZERO, Happening::Election);
        if self.settings.users {
            self.after(Duration::from_secs(1), Happening::UserActs);
        }
        if self.settings.faults {
            self.after(Duration::from_secs(5), Happening::Fault);
        }
    }

    /// Makes the ingress network, one that has room for all and that single tasks may join, and one that has not.
    fn make_networks(&mut self, now: Timestamp) {
        let id = Id::from_bits(self.rng.next_bits());
        let ingress = ingress_network(self.state(), id, now).expect("it is the first network");
        self.commit(&[vec![Transaction::of(vec![Change::PutNetwork(Box::new(ingress))])]], None);
        for (name, subnet) in [("front", "10.1.0.0/24"), ("tiny", "10.2.0.0/28")] {
            let id = Id::from_bits(self.rng.next_bits());
            let spec = NetworkSpec { attachable: name == "front", ..network_in(name, subnet) };
            let created = network::create(self.state(), id, spec, now);
            let created = created.expect("their names and addresses are different");
            self.commit(&[vec![created]], None);
        }
    }

    /// What the managers agree on.
    pub fn state(&self) -> &State {
        &self.group.state
    }

    /// Lets everything happen that happens until then.
    pub fn run_until(&mut self, end: Duration) -> Result<(), Failure> {
        while let Some((at, happening)) = self.queue.next_until(end) {
            self.now = at;
            self.events += 1;
            self.happen(happening);
            if let Some(broken) = self.broken.take() {
                return Err(self.failure(&broken));
            }
        }
        self.now = end;
        Ok(())
    }

    /// Lets some time pass.
    pub fn run_for(&mut self, span: Duration) -> Result<(), Failure> {
        self.run_until(self.now + span)
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// A report of what went wrong at this point.
    pub fn failure(&self, broken: &Broken) -> Failure {
        Failure::new(&self.settings, self.now, broken, &self.trace)
    }

    /// Has something happen later.
    pub(super) fn after(&mut self, delay: Duration, happening: Happening) {
        self.queue.add(self.now + delay, happening);
    }

    /// Notes something in the trace.
    pub(super) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    /// Notes something of a machine in the trace.
    pub(super) fn note_of(&mut self, host: HostNo, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, format_args!("{} {what}", self.hosts[host].name));
    }

    /// Stops the history if a promise was broken; the first one counts.
    pub(super) fn must(&mut self, kept: Kept) {
        if let Err(broken) = kept {
            self.broken.get_or_insert(broken);
        }
    }

    /// Notes the states that tasks and nodes come to.
    pub(super) fn note_changes(&mut self, before: &State, events: &[Event]) {
        for event in events {
            match (event.object, event.kind) {
                (ObjectId::Task(id), EventKind::Put) => self.note_task(before, id),
                (ObjectId::Node(id), EventKind::Deleted) => {
                    self.removed.insert(id);
                    self.note(format_args!("node {} is removed", id.short(6)));
                }
                (ObjectId::Node(id), EventKind::Put) => {
                    let status = |state: &State| state.node(id).map(|node| node.status.state);
                    let (then, now) = (status(before), status(&self.group.state));
                    if then != now
                        && let Some(now) = now
                    {
                        self.note(format_args!("node {} is {now}", id.short(6)));
                    }
                }
                (ObjectId::Service(_) | ObjectId::ServiceSpec(_) | ObjectId::Cluster, _)
                | (ObjectId::Network(_) | ObjectId::Payload(_) | ObjectId::Stack(_), _)
                | (ObjectId::Task(_), EventKind::Deleted) => {}
            }
        }
    }

    fn note_task(&mut self, before: &State, id: proto::model::TaskId) {
        let Some(task) = self.group.state.task(id).cloned() else { return };
        let then = before.task(id).map(|task| (task.status.state, task.desired));
        if then != Some((task.status.state, task.desired)) {
            let (state, desired) = (task.status.state, task.desired);
            let from = then.map_or(TaskState::New, |(state, _)| state);
            self.note(format_args!(
                "task {} {}.{} is {from}, now {state}, wanted {desired}",
                id.short(6),
                task.spec.name,
                task.slot
            ));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Replicated { member, term, entry } => self.replicated(member, term, entry),
            Happening::Unconfirmed { member, term, ticket } => self.unconfirmed(member, term, ticket),
            Happening::CatchUp { member } => self.catch_up(member),
            Happening::Election => self.look_for_leader(),
            Happening::Hear { member } => self.hear_who_leads(member),
            Happening::LeaderReady { member, term } => self.leader_ready(member, term),
            Happening::Decide { member, term } => self.decide(member, term),
            Happening::Wake { member, term, pass } => self.wake_leader(member, term, pass),
            Happening::Arrive { connection, side } => self.arrive(connection, side),
            Happening::Closed { connection, side } => self.closed(connection, side),
            Happening::Silence { connection, side } => self.silence(connection, side),
            Happening::Tell { member, connection } => self.tell(member, connection),
            Happening::Dial { host, incarnation } => self.dial(host, incarnation),
            Happening::DialTimeout { host, connection } => self.dial_timed_out(host, connection),
            Happening::Heartbeat { host, connection } => self.heartbeat(host, connection),
            Happening::Tick { host, incarnation } => self.tick(host, incarnation),
            Happening::Step { host, incarnation, task, order, outcome } => {
                self.step_done(host, incarnation, task, order, outcome);
            }
            Happening::CarryOut { host, incarnation } => self.carry_out_networks(host, incarnation),
            Happening::Acknowledge { host, incarnation } => self.acknowledge(host, incarnation),
            Happening::ContainerStarts { host, incarnation, task } => {
                self.container_starts(host, incarnation, task);
            }
            Happening::ContainerEnds { host, boot, task, exit } => {
                self.container_ends(host, boot, task, exit)
            }
            Happening::PowerOn { host } => self.power_on(host),
            Happening::DaemonStarts { host } => self.start_daemon(host),
            Happening::Leave { host } => self.leave(host),
            Happening::UserActs => self.user_acts(),
            Happening::Request { request } => self.take_request(request),
            Happening::Answered { request } => self.request_over(request),
            Happening::Fault => self.fault(),
            Happening::Heal { cut } => self.heal(cut),
            Happening::MemberStarts { member } => self.start_member(member),
            Happening::Calm => self.network.slow = false,
        }
    }
}
