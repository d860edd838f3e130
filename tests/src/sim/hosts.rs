//! The machines that run tasks: their power, their daemons, and the agent in each daemon.

use super::{
    containers::{Container, Order, has_probes},
    group::EPOCH_MS,
    happening::Happening,
    kernels::{Kernel, Networking},
    network::{ConnectionId, HostNo, Side},
    sessions::Line,
    world::World,
};
use crate::invariants::{agents_clean_up, state_never_goes_back};
use proto::model::{NodeDescription, NodeId, Task, TaskId, Timestamp, cluster::FEATURE_LEVEL};
use std::{collections::BTreeMap, net::Ipv6Addr, time::Duration};
use worker_core::{
    agent::{Action, Agent, Event, Found, LedgerChange, Now},
    backoff::Backoff,
};

/// A machine.
#[derive(Debug)]
pub struct Host {
    /// The node it is.
    pub id: NodeId,
    /// What it is called in the trace.
    pub name: String,
    /// Whether it has power.
    pub power: bool,
    /// Whether it is not switched on again, once it is off.
    pub for_good: bool,
    /// Whether it has left the cluster, so that nothing of that is left on it.
    pub left: bool,
    /// How far its clock is off.
    pub clock_offset_ms: i64,
    /// Counts how often it was switched on.
    pub boot: u64,
    /// Counts how often its daemon was started.
    pub incarnation: u64,
    /// What is on its disk: the daemon's ledger.
    pub ledger: BTreeMap<TaskId, Task>,
    /// What there is of networks.
    pub kernel: Kernel,
    /// What there is of containers.
    pub containers: BTreeMap<TaskId, Container>,
    /// Its daemon, if that runs.
    pub daemon: Option<Daemon>,
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Daemon {
    /// The product's agent.
    pub agent: Agent,
    /// When it was started.
    started: Duration,
    /// What it knows of networks, and how far it is with them.
    pub networking: Networking,
    /// Its session.
    pub line: Line,
    /// Its waits between sessions.
    pub backoff: Backoff,
    /// When the agent is told the time next.
    tick_at: Option<Duration>,
    /// What is under way on the node, by task.
    pub orders: BTreeMap<TaskId, Order>,
    /// Numbers the orders.
    pub ordered: u64,
    /// It is killed after so many further things that it does.
    pub crash_after: Option<u64>,
    /// Whether the node is to leave the cluster.
    leaving: bool,
}

impl Host {
    /// A machine that was just unpacked.
    pub fn new(number: HostNo, id: NodeId, clock_offset_ms: i64) -> Self {
        Self {
            id,
            name: format!("n{number}"),
            power: true,
            for_good: false,
            left: false,
            clock_offset_ms,
            boot: 0,
            incarnation: 0,
            ledger: BTreeMap::new(),
            kernel: Kernel::default(),
            containers: BTreeMap::new(),
            daemon: None,
        }
    }

    /// What it says of itself.
    pub fn description(&self) -> NodeDescription {
        NodeDescription {
            hostname: self.name.clone(),
            os: "linux".into(),
            arch: "x86_64".into(),
            nano_cpus: 4_000_000_000,
            memory_bytes: 8 << 30,
            version: "sim".into(),
            engine_labels: BTreeMap::new(),
            feature_level: FEATURE_LEVEL,
            data_path_addr: Some(Ipv6Addr::from(self.id.bits()).into()),
            local_subnets: Default::default(),
            container_subnets: Default::default(),
            addresses: Default::default(),
        }
    }

    /// The agent, while the daemon runs.
    pub fn agent(&self) -> Option<&Agent> {
        self.daemon.as_ref().map(|daemon| &daemon.agent)
    }
}

impl World {
    fn host_now(&self, host: HostNo) -> Now {
        let it = &self.hosts[host];
        let passed = i64::try_from(self.now.as_millis()).expect("a history does not last that long");
        let started = it.daemon.as_ref().map_or(self.now, |daemon| daemon.started);
        Now { wall: Timestamp(EPOCH_MS + it.clock_offset_ms + passed), elapsed: self.now - started }
    }

    /// Starts a machine's daemon, which finds what the one before it left.
    pub(super) fn start_daemon(&mut self, host: HostNo) {
        let it = &mut self.hosts[host];
        if !it.power || it.left || it.daemon.is_some() {
            return;
        }
        it.incarnation += 1;
        let incarnation = it.incarnation;
        let probed = |id| it.ledger.get(id).is_some_and(has_probes);
        let found: BTreeMap<TaskId, Found> =
            it.containers.iter().map(|(id, container)| (*id, container.found(probed(id)))).collect();
        let strays: Vec<TaskId> =
            it.containers.keys().filter(|id| !it.ledger.contains_key(id)).copied().collect();
        let ledger: Vec<Task> = it.ledger.values().cloned().collect();
        self.note_of(host, format_args!("starts its daemon with {} tasks", ledger.len()));
        for task in strays {
            self.discard(host, task);
        }
        let (agent, actions) = Agent::recover(ledger, found, self.host_now(host));
        let networking = self.hosts[host].kernel.taken_over();
        self.hosts[host].daemon = Some(Daemon {
            agent,
            started: self.now,
            networking,
            line: Line::Down,
            backoff: Backoff::default(),
            tick_at: None,
            orders: BTreeMap::new(),
            ordered: 0,
            crash_after: None,
            leaving: false,
        });
        self.perform(host, actions);
        self.plan_tick(host);
        self.after(Duration::from_millis(5), Happening::Dial { host, incarnation });
    }

    /// Kills a machine's daemon; its containers go on.
    pub(super) fn kill_daemon(&mut self, host: HostNo) {
        let connection = self.drop_daemon(host);
        if let Some(connection) = connection {
            self.hang_up(connection, Side::Node);
        }
    }

    /// The daemon is gone; gives the connection that it had.
    fn drop_daemon(&mut self, host: HostNo) -> Option<ConnectionId> {
        let daemon = self.hosts[host].daemon.take()?;
        self.note_of(host, format_args!("loses its daemon"));
        for (task, order) in daemon.orders {
            // The container is made by a process of its own, which the daemon may have begun already.
            if matches!(order, Order::Starting(_)) && self.hosts[host].power && self.rng.chance(50) {
                self.run_container(host, task);
            }
        }
        daemon.line.connection()
    }

    /// Cuts a machine's power: everything on it ends, and nobody is told.
    pub(super) fn cut_power(&mut self, host: HostNo) {
        if !self.hosts[host].power {
            return;
        }
        self.note_of(host, format_args!("loses power"));
        self.hosts[host].power = false;
        if let Some(connection) = self.drop_daemon(host)
            && self.network.close(connection, Side::Node)
        {
            self.after(
                super::network::PROBES_TIME_MAX,
                Happening::Silence { connection, side: Side::Manager },
            );
        }
        self.hosts[host].kernel.lose_power();
        self.lose_containers(host);
    }

    /// Gives a machine its power back.
    pub(super) fn power_on(&mut self, host: HostNo) {
        if self.hosts[host].power {
            return;
        }
        self.note_of(host, format_args!("has power again"));
        self.hosts[host].power = true;
        self.hosts[host].boot += 1;
        self.start_daemon(host);
    }

    /// Tells the agent something and does what it wants.
    pub(super) fn tell_agent(&mut self, host: HostNo, event: Event) {
        let now = self.host_now(host);
        let Some(daemon) = self.hosts[host].daemon.as_mut() else { return };
        let actions = daemon.agent.handle(event, now);
        self.perform(host, actions);
        self.plan_tick(host);
        self.forget_if_left(host);
    }

    /// The agent asked to be told the time.
    pub(super) fn tick(&mut self, host: HostNo, incarnation: u64) {
        if self.hosts[host].incarnation != incarnation {
            return;
        }
        let now = self.host_now(host).elapsed;
        let Some(daemon) = self.hosts[host].daemon.as_mut() else { return };
        daemon.tick_at = None;
        match daemon.agent.deadline().is_some_and(|deadline| deadline <= now) {
            true => self.tell_agent(host, Event::Tick),
            false => self.plan_tick(host),
        }
    }

    fn plan_tick(&mut self, host: HostNo) {
        let Host { incarnation, daemon, .. } = &mut self.hosts[host];
        let Some(daemon) = daemon else { return };
        let Some(deadline) = daemon.agent.deadline() else { return };
        let at = (daemon.started + deadline).max(self.now);
        if daemon.tick_at.is_none_or(|planned| at < planned) {
            daemon.tick_at = Some(at);
            let incarnation = *incarnation;
            self.after(at - self.now, Happening::Tick { host, incarnation });
        }
    }

    /// Does what the agent wants: what is to be kept first, all of it at once.
    fn perform(&mut self, host: HostNo, actions: Vec<Action>) {
        let (kept, others): (Vec<_>, Vec<_>) =
            actions.into_iter().partition(|action| matches!(action, Action::Persist(_)));
        if !kept.is_empty() && self.crashes(host) {
            return;
        }
        for action in kept {
            if let Action::Persist(change) = action {
                self.persist(host, change);
            }
        }
        for action in others {
            if self.crashes(host) {
                return;
            }
            self.carry_out(host, action);
        }
    }

    /// Counts what a daemon does towards the crash that awaits it.
    fn crashes(&mut self, host: HostNo) -> bool {
        let Some(left) = self.hosts[host].daemon.as_mut().and_then(|daemon| daemon.crash_after.as_mut())
        else {
            return self.hosts[host].daemon.is_none();
        };
        if *left > 0 {
            *left -= 1;
            return false;
        }
        self.kill_daemon(host);
        let delay = self.rng.millis(100, 3000);
        self.after(delay, Happening::DaemonStarts { host });
        true
    }

    fn persist(&mut self, host: HostNo, change: LedgerChange) {
        let it = &mut self.hosts[host];
        let kept = match change {
            LedgerChange::Put(task) => {
                let line = format!("{} task {} is {}", it.name, task.id.short(6), task.status.state);
                let before = it.ledger.insert(task.id, (*task).clone());
                let moved = before.as_ref().is_none_or(|before| before.status.state != task.status.state);
                if moved {
                    self.note(format_args!("{line}"));
                }
                before.map_or(Ok(()), |before| state_never_goes_back::on_a_node(&before, &task))
            }
            LedgerChange::Remove(task) => {
                it.ledger.remove(&task);
                agents_clean_up::check_forgotten(task, it.containers.get(&task))
            }
        };
        self.must(kept);
    }

    /// Has a machine leave a cluster that does not know it any more.
    pub(super) fn leave(&mut self, host: HostNo) {
        let was_removed = self.removed.contains(&self.hosts[host].id);
        let Some(daemon) = self.hosts[host].daemon.as_mut().filter(|daemon| was_removed && !daemon.leaving)
        else {
            return;
        };
        daemon.leaving = true;
        self.note_of(host, format_args!("leaves"));
        self.tell_agent(host, Event::Clear);
    }

    fn forget_if_left(&mut self, host: HostNo) {
        let over = |daemon: &Daemon| daemon.leaving && daemon.agent.is_empty();
        if self.hosts[host].daemon.as_ref().is_some_and(over) {
            self.kill_daemon(host);
            self.hosts[host].left = true;
            self.hosts[host].kernel = Kernel::default();
        }
    }
}
