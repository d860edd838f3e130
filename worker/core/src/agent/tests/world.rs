//! Random histories of one node: outcomes late, repeated and out of order, sessions lost, messages
//! missed, daemons killed between any two actions. Then a quiet time in which everything must settle.

use super::{super::*, id, task};
use proptest::prelude::*;
use proto::model::{ExitStatus, NetworkId, TaskConnection, Timestamp};

const TASKS: u8 = 3;

/// Something that happens. Numbers pick one of what is there, so that every history is a valid one.
#[derive(Debug, Clone)]
enum Happening {
    /// The managers assign the task, or raise what they want of it.
    Want {
        task: u8,
        desired: DesiredState,
    },
    /// The managers connect the task to a network, or disconnect it.
    Connect {
        task: u8,
        leaving: bool,
    },
    /// The managers drop the task.
    Drop {
        task: u8,
    },
    /// The node is sent what changed; or the message is lost.
    Send {
        lost: bool,
    },
    /// The last message arrives once more.
    Repeat,
    /// One of the outcomes that are under way arrives; and may arrive again.
    Arrive {
        nth: usize,
        again: bool,
    },
    /// A container ends by itself.
    Exit {
        task: u8,
        code: i32,
    },
    /// A step goes wrong.
    Fault {
        nth: usize,
    },
    /// The connection breaks and is made again.
    NewSession,
    /// The daemon is killed after it did so many of its next actions, and starts again.
    Crash {
        after: usize,
    },
    Pass {
        ms: u64,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    use DesiredState::*;
    use Happening as H;
    let desired = prop_oneof![2 => Just(Ready), 5 => Just(Running), 2 => Just(Shutdown), 1 => Just(Remove)];
    prop_oneof![
        5 => (0..TASKS, desired).prop_map(|(task, desired)| H::Want { task, desired }),
        2 => (0..TASKS, any::<bool>()).prop_map(|(task, leaving)| H::Connect { task, leaving }),
        1 => (0..TASKS).prop_map(|task| H::Drop { task }),
        4 => prop::bool::weighted(0.1).prop_map(|lost| H::Send { lost }),
        1 => Just(H::Repeat),
        9 => (any::<usize>(), prop::bool::weighted(0.2)).prop_map(|(nth, again)| H::Arrive { nth, again }),
        1 => (0..TASKS, 0..3i32).prop_map(|(task, code)| H::Exit { task, code }),
        1 => any::<usize>().prop_map(|nth| H::Fault { nth }),
        1 => Just(H::NewSession),
        1 => (0..4usize).prop_map(|after| H::Crash { after }),
        2 => (0..3000u64).prop_map(|ms| H::Pass { ms }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Container {
    Running,
    Ended(i32),
}

/// Something on its way to the agent.
#[derive(Debug, Clone)]
struct UnderWay {
    event: Event,
    /// Whether it has arrived once already.
    arrived: bool,
}

#[derive(Default)]
struct World {
    agent: Agent,
    ms: u64,
    /// What the managers want, and the furthest each task was reported to be.
    wanted: BTreeMap<TaskId, DesiredState>,
    known: BTreeMap<TaskId, TaskState>,
    /// What tasks are connected to, and the newest version that was reported to be carried out.
    connections: BTreeMap<TaskId, TaskConnection>,
    carried_out: BTreeMap<TaskId, u64>,
    version: u64,
    /// Ids the managers have dropped; they never come back.
    dropped: BTreeSet<TaskId>,
    session: bool,
    sequence: u64,
    full_next: bool,
    last: Option<Assignments>,
    ledger: BTreeMap<TaskId, Task>,
    containers: BTreeMap<TaskId, Container>,
    starts: BTreeMap<TaskId, u32>,
    under_way: Vec<UnderWay>,
    /// The next crash: so many further actions are done, then the daemon is killed.
    crash_after: Option<usize>,
}

impl World {
    fn now(&self) -> Now {
        // The wall clock goes back now and then; nothing may depend on it.
        Now { wall: Timestamp((self.ms % 5000) as i64), elapsed: Duration::from_millis(self.ms) }
    }

    fn tell(&mut self, event: Event) {
        let actions = self.agent.handle(event, self.now());
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let kept = actions.iter().rposition(|action| matches!(action, Action::Persist(_)));
        let acted = actions.iter().position(|action| !matches!(action, Action::Persist(_)));
        assert!(kept.is_none() || acted.is_none() || kept < acted, "what is kept comes first: {actions:?}");
        for action in actions {
            if let Some(left) = &mut self.crash_after {
                if *left == 0 {
                    return self.restart();
                }
                *left -= 1;
            }
            self.perform_one(action);
        }
        if self.crash_after == Some(0) {
            self.restart();
        }
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Persist(LedgerChange::Put(task)) => {
                let before = self.ledger.insert(task.id, (*task).clone());
                assert!(
                    before.is_none_or(|before| before.status.state <= task.status.state),
                    "a state went back"
                );
            }
            Action::Persist(LedgerChange::Remove(id)) => {
                assert!(!self.containers.contains_key(&id), "forgotten, but still there");
                self.ledger.remove(&id);
            }
            Action::Prepare(task) => self.come_of(task.id, Outcome::Prepared),
            Action::Start(id) => {
                assert_eq!(self.ledger[&id].status.state, TaskState::Starting, "the start was not recorded");
                *self.starts.entry(id).or_default() += 1;
                self.containers.insert(id, Container::Running);
                self.come_of(id, Outcome::Started { pid: 1, has_probes: false });
            }
            Action::Probe(task) => unreachable!("no container of {} has probes", task.id),
            Action::AwaitListening(task) => self.come_of(task.id, Outcome::Listening),
            Action::Drain(task) => self.come_of(task.id, Outcome::Drained),
            Action::Connect(task) => {
                // It may just have ended.
                assert!(self.containers.contains_key(&task.id), "connected before it was started");
                let version = task.connections_version();
                assert_eq!(self.ledger[&task.id].connections, task.connections, "not recorded");
                self.come_of(task.id, Outcome::Connected { version });
            }
            Action::Stop(task) => self.end(task, 143, Outcome::Stopped),
            Action::Kill(id) => self.end(id, 137, Outcome::Stopped),
            Action::Remove(id) => {
                assert_ne!(self.containers.remove(&id), Some(Container::Running), "removed while it runs");
                self.come_of(id, Outcome::Removed);
            }
            Action::Report(report) => {
                assert!(self.session, "a report without a session");
                for (id, status) in report.tasks {
                    let known = self.known.entry(id).or_insert(TaskState::Assigned);
                    assert!(status.state >= *known, "task {id} went back from {known} to {}", status.state);
                    *known = status.state;
                    let before = self.carried_out.insert(id, status.connections_version);
                    assert!(before <= Some(status.connections_version), "task {id} was disconnected unasked");
                }
                self.under_way
                    .push(UnderWay { event: Event::Acked { sequence: report.sequence }, arrived: false });
            }
            Action::Resync => self.session = false,
        }
    }

    fn end(&mut self, task: TaskId, code: i32, without_container: Outcome) {
        match self.containers.get_mut(&task) {
            Some(container @ Container::Running) => {
                *container = Container::Ended(code);
                self.come_of(task, Outcome::Exited(ExitStatus { code, oom_killed: false }));
            }
            Some(Container::Ended(_)) => {}
            None => self.come_of(task, without_container),
        }
    }

    fn restart(&mut self) {
        self.crash_after = None;
        self.under_way.clear();
        self.session = false;
        let found = |container: &Container| match container {
            Container::Running => Found::Running { pid: 1, has_probes: false },
            Container::Ended(code) => Found::Exited(ExitStatus { code: *code, oom_killed: false }),
        };
        let found = self.containers.iter().map(|(id, container)| (*id, found(container))).collect();
        let (agent, actions) = Agent::recover(self.ledger.values().cloned().collect(), found, self.now());
        self.agent = agent;
        self.perform(actions);
    }

    fn connect(&mut self) {
        if self.session {
            self.session = false;
            self.tell(Event::SessionDown);
        }
        self.under_way.retain(|under_way| !matches!(under_way.event, Event::Acked { .. }));
        (self.session, self.full_next, self.last) = (true, true, None);
        self.tell(Event::SessionUp);
    }

    fn as_told(&self, task_id: TaskId, desired: DesiredState) -> Task {
        let mut told = task(0, desired);
        told.id = task_id;
        told.version = self.version;
        told.connections.extend(self.connections.get(&task_id).cloned());
        told.status.state = self.known.get(&task_id).copied().unwrap_or(TaskState::Assigned);
        told
    }

    fn send(&mut self, lost: bool) {
        if !self.session {
            return;
        }
        self.sequence += 1;
        let put = self.wanted.iter().map(|(id, desired)| self.as_told(*id, *desired)).collect();
        let remove = if self.full_next { Vec::new() } else { self.dropped.iter().copied().collect() };
        let message = Assignments { full: self.full_next, sequence: self.sequence, put, remove };
        self.full_next = false;
        if !lost {
            self.last = Some(message.clone());
            self.tell(Event::Assigned(message));
        }
    }

    fn come_of(&mut self, task: TaskId, outcome: Outcome) {
        self.under_way.push(UnderWay { event: Event::Step { task, outcome }, arrived: false });
    }

    fn arrive(&mut self, nth: usize, again: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let nth = nth % self.under_way.len();
        self.under_way[nth].arrived = true;
        let arrived = if again { self.under_way[nth].clone() } else { self.under_way.remove(nth) };
        // An acknowledgement comes in the session of its report or not at all.
        if self.session || !matches!(arrived.event, Event::Acked { .. }) {
            self.tell(arrived.event);
        }
    }

    /// Lets a preparation or a start that is under way go wrong.
    fn fault(&mut self, nth: usize) {
        let place = |under_way: &UnderWay| match &under_way.event {
            Event::Step { task, outcome } if !under_way.arrived => match outcome {
                Outcome::Prepared => Some((*task, false)),
                Outcome::Started { .. } => Some((*task, true)),
                // Its container runs on, so it is no fault of the step before.
                _ => None,
            },
            _ => None,
        };
        let faults: Vec<_> = self.under_way.iter().filter_map(place).collect();
        let Some(&(task, started)) = faults.get(nth % faults.len().max(1)) else { return };
        // What the step would have led to does not come; answers to other orders still do.
        let led_to = |event: &Event| match event {
            Event::Step { task: other, outcome } => {
                let answer = matches!(outcome, Outcome::Stopped | Outcome::Removed);
                *other == task && !answer
            }
            _ => false,
        };
        self.under_way.retain(|under_way| !led_to(&under_way.event));
        if started {
            self.containers.remove(&task);
        }
        self.come_of(task, Outcome::Failed { error: "it went wrong".into() });
    }

    /// Lets connecting that is under way go wrong; says whether any was.
    fn disconnect_one(&mut self, nth: usize) -> bool {
        let is_connecting = |under_way: &&mut UnderWay| {
            matches!(under_way.event, Event::Step { outcome: Outcome::Connected { .. }, .. })
        };
        let mut connecting: Vec<&mut UnderWay> = self.under_way.iter_mut().filter(is_connecting).collect();
        let Some(nth) = nth.checked_rem(connecting.len()) else { return false };
        if let Event::Step { outcome, .. } = &mut connecting[nth].event {
            *outcome = Outcome::NotConnected { error: "the network is not there".into() };
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Want { task, desired } => {
                if !self.dropped.contains(&id(task)) {
                    let wanted = self.wanted.entry(id(task)).or_insert(desired);
                    *wanted = desired.max(*wanted);
                }
            }
            Happening::Drop { task } => {
                if self.wanted.remove(&id(task)).is_some() {
                    self.dropped.insert(id(task));
                }
            }
            Happening::Send { lost } => self.send(lost),
            Happening::Repeat => {
                if let Some(message) = self.last.clone().filter(|_| self.session) {
                    self.tell(Event::Assigned(message));
                }
            }
            Happening::Arrive { nth, again } => self.arrive(nth, again),
            Happening::Exit { task, code } => {
                if self.containers.get(&id(task)) == Some(&Container::Running) {
                    self.end(id(task), code, Outcome::Stopped);
                }
            }
            Happening::Connect { task, leaving } => {
                self.version += 1;
                let (network, version) = (NetworkId::from_bits(1), self.version);
                let connection = TaskConnection { network, aliases: BTreeSet::new(), version, leaving };
                self.connections.insert(id(task), connection);
            }
            Happening::Fault { nth } if self.disconnect_one(nth) => {}
            Happening::Fault { nth } => self.fault(nth),
            Happening::NewSession => self.connect(),
            Happening::Crash { after } => self.crash_after = Some(after),
            Happening::Pass { ms } => {
                self.ms += ms;
                self.tell(Event::Tick);
            }
        }
        assert!(self.starts.values().all(|starts| *starts <= 1), "started twice: {:?}", self.starts);
    }

    /// Nothing is lost or repeated any more.
    fn settle(&mut self) {
        self.crash_after = None;
        self.connect();
        for _ in 0..50 {
            if !self.session {
                self.connect();
            }
            self.send(false);
            while !self.under_way.is_empty() {
                self.arrive(0, false);
            }
            self.ms += 3000;
            self.tell(Event::Tick);
        }
    }

    fn check_settled(&self) {
        assert_eq!(self.ledger.keys().collect::<Vec<_>>(), self.wanted.keys().collect::<Vec<_>>());
        for (id, desired) in &self.wanted {
            let state = self.agent.task(*id).unwrap().status.state;
            let settled = match desired {
                DesiredState::Ready => state == TaskState::Ready || state.is_terminal(),
                DesiredState::Running => state == TaskState::Running || state.is_terminal(),
                DesiredState::Shutdown | DesiredState::Remove => state.is_terminal(),
            };
            assert!(settled, "{id}: {desired} is desired, it is {state}");
            let runs = self.containers.get(id) == Some(&Container::Running);
            assert_eq!(runs, state == TaskState::Running, "{id} is {state}");
            assert_eq!(self.known.get(id).copied(), Some(state), "the managers know");
            assert_eq!(self.ledger[id].status.state, state, "the ledger knows");
            let connected = self.connections.get(id).map_or(0, |connection| connection.version);
            let carried_out = self.carried_out.get(id).copied().unwrap_or(0);
            assert!(!runs || carried_out == connected, "{id}: {carried_out} instead of {connected}");
        }
        assert!(self.containers.keys().all(|id| self.wanted.contains_key(id)), "something was left behind");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nothing_starts_twice_or_goes_back_and_everything_settles(history in prop::collection::vec(happening(), 1..80)) {
        let mut world = World::default();
        for happening in history {
            world.happen(happening);
        }
        world.settle();
        world.check_settled();
    }
}
