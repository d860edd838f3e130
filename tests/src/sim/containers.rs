//! The containers of a machine, as far as they matter: they take time to be prepared, to start and to
//! stop; they fail, end by themselves, and go when the power does.

use super::{
    happening::Happening,
    network::{HostNo, Side},
    wishes::{self, Behaviour},
    world::World,
};
use crate::invariants::agents_clean_up;
use proto::model::{ExitStatus, Task, TaskId, container::STOP_GRACE_PERIOD};
use std::time::Duration;
use worker_core::{
    agent::{Action, Event, Found, Outcome},
    health::Finding,
};

/// The exit code of a process that SIGTERM ended.
const TERMINATED: i32 = 143;
/// That of one that SIGKILL ended.
const KILLED: i32 = 137;

/// What there is of a task's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// It runs.
    Running,
    /// Its process ended.
    Ended(ExitStatus),
    /// It went with the machine's power.
    Lost,
}

/// What is under way for a task, with a number: what comes of an earlier order does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is being prepared, or was.
    Preparing(u64),
    /// It is being started.
    Starting(u64),
    /// It is being stopped or removed.
    Ending(u64),
}

impl Order {
    fn number(self) -> u64 {
        match self {
            Order::Preparing(number) | Order::Starting(number) | Order::Ending(number) => number,
        }
    }
}

impl Container {
    /// What a daemon that starts finds of it.
    pub fn found(&self, has_probes: bool) -> Found {
        match self {
            Container::Running => Found::Running { pid: 1, has_probes },
            Container::Ended(exit) => Found::Exited(*exit),
            Container::Lost => Found::Lost { reason: "the machine was switched off".into() },
        }
    }
}

/// Whether a task's container is probed.
pub fn has_probes(task: &Task) -> bool {
    task.spec.task.container.readiness.is_some()
}

impl World {
    /// Does one thing that the agent wants.
    pub(super) fn carry_out(&mut self, host: HostNo, action: Action) {
        match action {
            Action::Persist(_) => unreachable!("it was done before the others"),
            Action::Prepare(task) => self.prepare(host, &task),
            Action::Start(task) => {
                self.order(host, task, Order::Starting);
                let delay = self.rng.millis(5, 80);
                let incarnation = self.hosts[host].incarnation;
                self.after(delay, Happening::ContainerStarts { host, incarnation, task });
            }
            Action::AwaitListening(task) => {
                let delay = self.rng.millis(0, 200);
                self.comes_of(host, task.id, None, delay, Outcome::Listening);
            }
            Action::Probe(task) => self.probe(host, &task),
            Action::Drain(task) => {
                let delay = self.rng.millis(0, 500);
                self.comes_of(host, task.id, None, delay, Outcome::Drained);
            }
            Action::Connect(task) => self.connect_container(host, &task),
            Action::Stop(task) => self.stop_container(host, task),
            Action::Kill(task) => self.kill_container(host, task),
            Action::Remove(task) => self.remove_container(host, task),
            Action::Report(report) => self.send_report(host, &report),
            Action::Resync => {
                if let Some(connection) = self.line(host).and_then(|line| line.connection()) {
                    self.note_of(host, format_args!("asks for a new session"));
                    self.after(Duration::ZERO, Happening::Closed { connection, side: Side::Node });
                }
            }
        }
    }

    fn order(&mut self, host: HostNo, task: TaskId, order: fn(u64) -> Order) -> u64 {
        let Some(daemon) = self.hosts[host].daemon.as_mut() else { return 0 };
        daemon.ordered += 1;
        daemon.orders.insert(task, order(daemon.ordered));
        daemon.ordered
    }

    /// Lets something come of an order later on.
    fn comes_of(
        &mut self,
        host: HostNo,
        task: TaskId,
        order: Option<u64>,
        delay: Duration,
        outcome: Outcome,
    ) {
        let incarnation = self.hosts[host].incarnation;
        if self.rng.chance(5) {
            // What is told twice does no harm.
            let again = outcome.clone();
            let later = delay + self.rng.millis(0, 500);
            self.after(later, Happening::Step { host, incarnation, task, order, outcome: again });
        }
        self.after(delay, Happening::Step { host, incarnation, task, order, outcome });
    }

    /// Tells the agent what came of an order, unless that was overtaken by another.
    pub(super) fn step_done(
        &mut self,
        host: HostNo,
        incarnation: u64,
        task: TaskId,
        order: Option<u64>,
        outcome: Outcome,
    ) {
        let Some(daemon) = self.hosts[host].daemon.as_ref() else { return };
        let newest = daemon.orders.get(&task).map(|order| order.number());
        if self.hosts[host].incarnation == incarnation && order.is_none_or(|order| Some(order) == newest) {
            self.tell_agent(host, Event::Step { task, outcome });
        }
    }

    fn prepare(&mut self, host: HostNo, task: &Task) {
        let order = Some(self.order(host, task.id, Order::Preparing));
        let behaviour = Behaviour::of(&task.spec.task.container.image);
        let delay = self.rng.millis(5, if behaviour == Behaviour::Large { 6000 } else { 800 });
        let unlucky = self.misfortune && self.rng.chance(3);
        let outcome = match behaviour {
            Behaviour::Missing => Outcome::Failed { error: "the image is not there".into() },
            _ if unlucky => Outcome::Failed { error: "the registry does not answer".into() },
            _ => Outcome::Prepared,
        };
        let halfway = Outcome::Progress { message: "pulling the image".into() };
        self.comes_of(host, task.id, order, delay / 2, halfway);
        self.comes_of(host, task.id, order, delay, outcome);
    }

    /// A container begins to run, if the daemon that ordered it still does.
    pub(super) fn container_starts(&mut self, host: HostNo, incarnation: u64, task: TaskId) {
        let Some(daemon) = self.hosts[host].daemon.as_ref() else { return };
        let is_ordered = matches!(daemon.orders.get(&task), Some(Order::Starting(_)));
        if self.hosts[host].incarnation != incarnation || !is_ordered {
            return;
        }
        let order = Some(self.order(host, task, Order::Ending));
        if self.misfortune && self.rng.chance(2) {
            let error = "the container cannot be made".to_owned();
            return self.comes_of(host, task, order, Duration::from_millis(3), Outcome::Failed { error });
        }
        self.run_container(host, task);
        let held = self.hosts[host].ledger.get(&task);
        let started = Outcome::Started { pid: 1, has_probes: held.is_some_and(has_probes) };
        self.comes_of(host, task, None, Duration::from_millis(1), started);
    }

    /// A container is ready in the end, and now and then it is not for a while, or has to be replaced.
    /// What its probes say comes in order.
    fn probe(&mut self, host: HostNo, task: &Task) {
        let incarnation = self.hosts[host].incarnation;
        let mut at = self.rng.millis(0, 3_000);
        let mut says = |world: &mut World, ready: bool, unhealthy: Option<String>| {
            let message = if ready { String::new() } else { "it is not ready".to_owned() };
            let outcome = Outcome::Probed(Finding { ready, unhealthy, message });
            world.after(at, Happening::Step { host, incarnation, task: task.id, order: None, outcome });
            at += world.rng.millis(100, 5_000);
        };
        says(self, false, None);
        says(self, true, None);
        if self.misfortune && self.rng.chance(20) {
            says(self, false, None);
            says(self, true, None);
        }
        if self.misfortune && self.rng.chance(5) {
            says(self, false, Some("it does not answer".to_owned()));
        }
    }

    /// Makes a container run, and decides when it will end by itself.
    pub(super) fn run_container(&mut self, host: HostNo, task: TaskId) {
        let Some(held) = self.hosts[host].ledger.get(&task).cloned() else { return };
        self.note_of(host, format_args!("container {} of {} runs", task.short(6), held.spec.name));
        self.hosts[host].containers.insert(task, Container::Running);
        let node = self.hosts[host].id;
        let kept = self.promises.container_started(&held, node, self.now, &self.group.state);
        self.must(kept);
        let behaviour = Behaviour::of(&held.spec.task.container.image);
        if let Some((after, code)) = wishes::end_of_life(behaviour, &mut self.rng) {
            self.container_ends_after(host, task, after, code);
        }
    }

    fn container_ends_after(&mut self, host: HostNo, task: TaskId, after: Duration, code: i32) {
        let (boot, exit) = (self.hosts[host].boot, ExitStatus { code, oom_killed: false });
        self.after(after, Happening::ContainerEnds { host, boot, task, exit });
    }

    /// A container's process ends, if it has not done so before.
    pub(super) fn container_ends(&mut self, host: HostNo, boot: u64, task: TaskId, exit: ExitStatus) {
        let it = &mut self.hosts[host];
        if it.boot != boot || it.containers.get(&task) != Some(&Container::Running) {
            return;
        }
        it.containers.insert(task, Container::Ended(exit));
        self.promises.container_ended(task);
        self.note_of(host, format_args!("container {} ends with {}", task.short(6), exit.code));
        if self.hosts[host].daemon.is_some() {
            let delay = self.rng.millis(0, 20);
            self.comes_of(host, task, None, delay, Outcome::Exited(exit));
        }
    }

    /// Lets a container that runs end with an error.
    pub(super) fn fail_container(&mut self, host: HostNo, task: TaskId) {
        self.container_ends_after(host, task, Duration::ZERO, 1);
    }

    fn connect_container(&mut self, host: HostNo, task: &Task) {
        let delay = self.rng.millis(1, 300);
        let outcome = match self.misfortune && self.rng.chance(10) {
            true => Outcome::NotConnected { error: "the network can't be set up".into() },
            false => Outcome::Connected { version: task.connections_version() },
        };
        self.comes_of(host, task.id, None, delay, outcome);
    }

    fn stop_container(&mut self, host: HostNo, task: TaskId) {
        match self.hosts[host].containers.get(&task) {
            Some(Container::Running) => {
                let Some(held) = self.hosts[host].ledger.get(&task) else { return };
                let grace = held.spec.task.container.stop_grace_period.unwrap_or(STOP_GRACE_PERIOD);
                let behaviour = Behaviour::of(&held.spec.task.container.image);
                // Most end soon, some only just in time, some not in time.
                let longest = if self.rng.chance(80) { grace / 8 } else { grace.mul_f64(1.2) };
                let takes = self.rng.millis(1, u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).max(1));
                if behaviour != Behaviour::Stubborn {
                    self.container_ends_after(host, task, takes, TERMINATED);
                }
            }
            // Its end is on its way to the agent.
            Some(Container::Ended(_) | Container::Lost) => {}
            None => self.give_back(host, task),
        }
    }

    fn give_back(&mut self, host: HostNo, task: TaskId) {
        let order = Some(self.order(host, task, Order::Ending));
        let delay = self.rng.millis(1, 40);
        self.comes_of(host, task, order, delay, Outcome::Stopped);
    }

    fn kill_container(&mut self, host: HostNo, task: TaskId) {
        match self.hosts[host].containers.get(&task) {
            Some(Container::Running) => {
                let takes = self.rng.millis(1, 60);
                self.container_ends_after(host, task, takes, KILLED);
            }
            Some(Container::Ended(_) | Container::Lost) => {}
            None => self.give_back(host, task),
        }
    }

    fn remove_container(&mut self, host: HostNo, task: TaskId) {
        let kept = agents_clean_up::check_removed(task, self.hosts[host].containers.get(&task));
        self.must(kept);
        self.discard(host, task);
        let order = Some(self.order(host, task, Order::Ending));
        let delay = self.rng.millis(1, 40);
        self.comes_of(host, task, order, delay, Outcome::Removed);
    }

    /// Removes a container, even one that runs.
    pub(super) fn discard(&mut self, host: HostNo, task: TaskId) {
        if self.hosts[host].containers.remove(&task) == Some(Container::Running) {
            self.promises.container_ended(task);
        }
    }

    /// All containers go with the machine's power; of some not even a trace got to the disk.
    pub(super) fn lose_containers(&mut self, host: HostNo) {
        let World { hosts, promises, rng, .. } = self;
        hosts[host].containers.retain(|task, container| {
            if *container != Container::Running {
                return true;
            }
            *container = Container::Lost;
            promises.container_ended(*task);
            !rng.chance(30)
        });
    }
}
