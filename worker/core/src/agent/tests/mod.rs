//! The agent's promises, one situation at a time; `world` tries them in random histories.

mod connections;
mod probes;
mod world;

use super::*;
use proto::model::{
    ContainerSpec, EndpointMode, ExitStatus, NetworkId, PortProtocol, PublishedPort, RolloutConfig,
    ServiceId, ServiceMode, ServiceSpec, SlotKey, TaskSpec, Timestamp,
};
use std::{num::NonZeroU16, sync::Arc};

pub(super) fn id(number: u8) -> TaskId {
    TaskId::from_bits(u128::from(number))
}

/// A task as the managers send it: assigned, with two seconds to end when it is stopped.
pub(super) fn task(number: u8, desired: DesiredState) -> Task {
    let container = ContainerSpec {
        image: "busybox".into(),
        stop_grace_period: Some(Duration::from_secs(2)),
        ..ContainerSpec::default()
    };
    let spec = ServiceSpec {
        name: "web".parse().unwrap(),
        labels: BTreeMap::new(),
        mode: ServiceMode::Replicated { replicas: 1 },
        task: TaskSpec { container, ..TaskSpec::default() },
        ports: Vec::new(),
        endpoint_mode: EndpointMode::default(),
        job: Default::default(),
        update: RolloutConfig::default(),
        rollback: RolloutConfig::default(),
    };
    Task {
        id: id(number),
        version: 1,
        created_at: Timestamp(0),
        service: ServiceId::from_bits(1),
        slot: SlotKey::Replica(1),
        spec: Arc::new(spec),
        task_version: 1,
        node: None,
        addresses: Vec::new(),
        connections: Vec::new(),
        desired,
        start_after: None,
        status: TaskStatus { state: TaskState::Assigned, ..TaskStatus::new(Timestamp(0)) },
    }
}

fn at(ms: u64) -> Now {
    Now { wall: Timestamp(ms as i64), elapsed: Duration::from_millis(ms) }
}

fn full(sequence: u64, put: Vec<Task>) -> Event {
    Event::Assigned(Assignments { full: true, sequence, put, remove: Vec::new() })
}

fn step(number: u8, outcome: Outcome) -> Event {
    Event::Step { task: id(number), outcome }
}

fn exited(code: i32) -> Outcome {
    Outcome::Exited(ExitStatus { code, oom_killed: false })
}

/// What is to be done on the node, without reports and what is kept.
fn done(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::Report(_) | Action::Persist(_))).collect()
}

fn reported(actions: &[Action]) -> Vec<(TaskId, TaskState)> {
    let tasks = actions.iter().filter_map(|action| match action {
        Action::Report(report) => Some(&report.tasks),
        _ => None,
    });
    tasks.flatten().map(|(id, status)| (*id, status.state)).collect()
}

/// An agent whose session is up and which was given these tasks.
fn agent_with(tasks: Vec<Task>) -> Agent {
    let mut agent = Agent::new();
    agent.handle(Event::SessionUp, at(0));
    agent.handle(full(1, tasks), at(0));
    agent
}

/// An agent whose task 1 runs.
fn agent_that_runs_one() -> Agent {
    let mut agent = agent_with(vec![task(1, DesiredState::Running)]);
    agent.handle(step(1, Outcome::Prepared), at(10));
    agent.handle(step(1, Outcome::Started { pid: 99, has_probes: false }), at(20));
    assert_eq!(agent.running(), 1);
    agent
}

fn status(agent: &Agent, number: u8) -> TaskStatus {
    agent.task(id(number)).unwrap().status.clone()
}

#[test]
fn a_start_is_recorded_before_it_is_asked_for() {
    let mut agent = agent_with(vec![task(1, DesiredState::Running)]);
    let actions = agent.handle(step(1, Outcome::Prepared), at(10));
    let recorded = |action: &Action| matches!(action, Action::Persist(LedgerChange::Put(task)) if task.status.state == TaskState::Starting);
    let record = actions.iter().position(recorded);
    let start = actions.iter().position(|action| *action == Action::Start(id(1)));
    assert!(record.is_some() && record < start, "{actions:?}");
}

#[test]
fn a_task_that_is_to_wait_starts_when_running_is_desired() {
    let mut agent = agent_with(vec![task(1, DesiredState::Ready)]);
    assert_eq!(done(agent.handle(step(1, Outcome::Prepared), at(10))), vec![]);
    assert_eq!(status(&agent, 1).state, TaskState::Ready);
    assert_eq!(
        done(agent.handle(full(2, vec![task(1, DesiredState::Running)]), at(20))),
        [Action::Start(id(1))]
    );
}

#[test]
fn a_task_is_asked_to_end_then_killed_when_its_grace_period_is_over() {
    let mut agent = agent_that_runs_one();
    let shutdown = full(2, vec![task(1, DesiredState::Shutdown)]);
    assert_eq!(done(agent.handle(shutdown, at(1000))), [Action::Stop(id(1))]);
    assert_eq!(done(agent.handle(Event::Tick, at(2999))), vec![]);
    assert_eq!(done(agent.handle(Event::Tick, at(3000))), [Action::Kill(id(1))]);
    assert_eq!(done(agent.handle(Event::Tick, at(3001))), vec![]);
    agent.handle(step(1, exited(137)), at(3100));
    let status = status(&agent, 1);
    assert_eq!((status.state, status.error), (TaskState::Shutdown, None));
    assert_eq!(status.exit, Some(ExitStatus { code: 137, oom_killed: false }));
    assert!(agent.deadline().is_none_or(|deadline| deadline > Duration::from_millis(3100)));
}

#[test]
fn a_preparation_is_cut_short_when_the_task_is_not_wanted_any_more() {
    let mut agent = agent_with(vec![task(1, DesiredState::Running)]);
    let actions = done(agent.handle(full(2, vec![task(1, DesiredState::Remove)]), at(10)));
    assert!(matches!(actions[..], [Action::Stop(_)]), "{actions:?}");
    assert_eq!(done(agent.handle(step(1, Outcome::Prepared), at(20))), vec![], "too late");
    agent.handle(step(1, Outcome::Stopped), at(30));
    assert_eq!(status(&agent, 1).state, TaskState::Shutdown);
}

#[test]
fn a_stop_waits_for_a_start_that_is_under_way() {
    let mut agent = agent_with(vec![task(1, DesiredState::Running)]);
    agent.handle(step(1, Outcome::Prepared), at(10));
    assert_eq!(done(agent.handle(full(2, vec![task(1, DesiredState::Shutdown)]), at(20))), vec![]);
    let actions = done(agent.handle(step(1, Outcome::Started { pid: 5, has_probes: false }), at(30)));
    assert!(matches!(actions[..], [Action::Stop(_)]), "{actions:?}");
}

#[test]
fn a_task_that_a_full_set_does_not_name_is_stopped_then_removed_and_not_reported() {
    let mut agent = agent_that_runs_one();
    let actions = agent.handle(full(2, vec![]), at(1000));
    assert!(matches!(done(actions)[..], [Action::Stop(_)]));
    let actions = agent.handle(step(1, exited(0)), at(1500));
    assert_eq!(reported(&actions), vec![]);
    assert_eq!(done(actions), [Action::Remove(id(1))]);
    let actions = agent.handle(step(1, Outcome::Removed), at(1600));
    assert_eq!(actions, [Action::Persist(LedgerChange::Remove(id(1)))]);
    assert!(agent.is_empty());
}

#[test]
fn a_task_that_ended_is_kept_until_the_managers_drop_it() {
    let mut agent = agent_that_runs_one();
    assert_eq!(done(agent.handle(step(1, exited(1)), at(1000))), vec![]);
    assert_eq!(done(agent.handle(full(2, vec![task(1, DesiredState::Shutdown)]), at(2000))), vec![]);
    let gone = Assignments { sequence: 3, remove: vec![id(1)], ..Assignments::default() };
    assert_eq!(done(agent.handle(Event::Assigned(gone), at(3000))), [Action::Remove(id(1))]);
}

#[test]
fn everything_goes_on_while_the_managers_are_away() {
    let mut agent = agent_with(vec![task(1, DesiredState::Running)]);
    assert_eq!(done(agent.handle(Event::SessionDown, at(5))), vec![]);
    assert_eq!(done(agent.handle(step(1, Outcome::Prepared), at(10))), [Action::Start(id(1))]);
    let actions = agent.handle(step(1, Outcome::Started { pid: 5, has_probes: false }), at(20));
    assert_eq!(reported(&actions), vec![], "there is nobody to tell");
    agent.handle(Event::SessionUp, at(9000));
    let actions = agent.handle(full(1, vec![task(1, DesiredState::Running)]), at(9001));
    assert_eq!(reported(&actions), [(id(1), TaskState::Running)]);
}

#[test]
fn a_gap_in_the_assignments_asks_for_a_new_session() {
    let mut agent = agent_that_runs_one();
    let late = Assignments { sequence: 3, remove: vec![id(1)], ..Assignments::default() };
    assert_eq!(done(agent.handle(Event::Assigned(late), at(50))), [Action::Resync]);
    assert_eq!(agent.running(), 1, "what came after the gap does not count");
}

#[test]
fn a_status_the_managers_have_lost_is_told_again() {
    let mut agent = agent_that_runs_one();
    agent.handle(Event::Acked { sequence: 1 }, at(500));
    agent.handle(Event::Acked { sequence: 2 }, at(510));
    assert_eq!(agent.deadline(), None, "nothing is left to tell");
    let actions = agent.handle(full(2, vec![task(1, DesiredState::Running)]), at(1000));
    assert_eq!(reported(&actions), [(id(1), TaskState::Running)]);
}

#[test]
fn a_task_whose_data_was_lost_after_its_start_is_not_started_again() {
    let mut started = task(1, DesiredState::Running);
    started.status.state = TaskState::Running;
    let mut agent = Agent::new();
    agent.handle(Event::SessionUp, at(0));
    let actions = agent.handle(full(1, vec![started]), at(0));
    assert_eq!(reported(&actions), [(id(1), TaskState::Failed)]);
    assert_eq!(done(actions), vec![]);
}

#[test]
fn a_task_that_was_given_up_for_lost_is_stopped() {
    let mut agent = agent_that_runs_one();
    let mut orphaned = task(1, DesiredState::Running);
    orphaned.status.state = TaskState::Orphaned;
    let actions = done(agent.handle(full(2, vec![orphaned]), at(1000)));
    assert!(matches!(actions[..], [Action::Stop(_)]), "{actions:?}");
}

/// Has a task publish port 80 of its node.
fn on_port_80(mut task: Task) -> Task {
    let port = NonZeroU16::new(80).unwrap();
    Arc::make_mut(&mut task.spec).ports = vec![PublishedPort::host(PortProtocol::Tcp, port, port)];
    task
}

#[test]
fn a_task_is_not_started_while_the_one_before_still_has_its_port() {
    let mut agent = agent_with(vec![on_port_80(task(1, DesiredState::Running))]);
    agent.handle(step(1, Outcome::Prepared), at(10));
    agent.handle(step(1, Outcome::Started { pid: 99, has_probes: false }), at(20));
    let mut orphaned = on_port_80(task(1, DesiredState::Running));
    orphaned.status.state = TaskState::Orphaned;
    let told =
        full(2, vec![orphaned, on_port_80(task(2, DesiredState::Running)), task(3, DesiredState::Running)]);
    agent.handle(told, at(1000));
    assert_eq!(done(agent.handle(step(2, Outcome::Prepared), at(1010))), vec![]);
    assert_eq!(done(agent.handle(step(3, Outcome::Prepared), at(1020))), [Action::Start(id(3))]);
    assert_eq!(done(agent.handle(step(1, exited(143)), at(1500))), [Action::Start(id(2))]);
}

/// A task as the ledger has it.
fn kept(state: TaskState) -> Task {
    let mut task = task(1, DesiredState::Running);
    task.status.state = state;
    task
}

#[test]
fn a_restarted_agent_carries_on_with_what_it_finds() {
    let exit = ExitStatus { code: 3, oom_killed: false };
    let lost = Found::Lost { reason: "the machine was restarted".into() };
    for (kept_at, found, then) in [
        (TaskState::Starting, Found::Running { pid: 7, has_probes: false }, TaskState::Running),
        (TaskState::Running, Found::Running { pid: 7, has_probes: false }, TaskState::Running),
        (TaskState::Starting, Found::Exited(exit), TaskState::Failed),
        (TaskState::Running, lost, TaskState::Failed),
        (TaskState::Starting, Found::Absent, TaskState::Failed),
        (TaskState::Complete, Found::Exited(exit), TaskState::Complete),
    ] {
        let (agent, actions) = Agent::recover(vec![kept(kept_at)], BTreeMap::from([(id(1), found)]), at(0));
        assert_eq!(status(&agent, 1).state, then, "{kept_at}");
        assert_eq!(done(actions), vec![], "{kept_at}");
    }
}

#[test]
fn a_restarted_agent_prepares_again_without_going_back() {
    let (mut agent, actions) = Agent::recover(vec![kept(TaskState::Ready)], BTreeMap::new(), at(0));
    assert!(matches!(done(actions)[..], [Action::Prepare(_)]));
    assert_eq!(status(&agent, 1).state, TaskState::Ready);
    assert_eq!(done(agent.handle(step(1, Outcome::Prepared), at(1))), [Action::Start(id(1))]);
}

#[test]
fn leaving_ends_and_removes_everything_without_the_managers() {
    let mut agent = agent_that_runs_one();
    agent.handle(Event::SessionDown, at(30));
    assert!(matches!(done(agent.handle(Event::Clear, at(40)))[..], [Action::Stop(_)]));
    assert_eq!(done(agent.handle(step(1, exited(0)), at(50))), [Action::Remove(id(1))]);
    agent.handle(step(1, Outcome::Removed), at(60));
    assert!(agent.is_empty());
}

/// A task that was connected to a network in a version of the state, or is to leave it.
fn connected(version: u64, leaving: bool) -> Task {
    let connection =
        TaskConnection { network: NetworkId::from_bits(5), aliases: BTreeSet::new(), version, leaving };
    Task { version, connections: vec![connection], ..task(1, DesiredState::Running) }
}

fn put(sequence: u64, task: Task) -> Event {
    Event::Assigned(Assignments { full: false, sequence, put: vec![task], remove: Vec::new() })
}

#[test]
fn a_task_that_runs_is_connected_as_wanted_and_says_how_far_it_is() {
    let mut agent = agent_that_runs_one();
    let actions = done(agent.handle(put(2, connected(7, false)), at(100)));
    assert!(
        matches!(&actions[..], [Action::Connect(task)] if task.connections_version() == 7),
        "{actions:?}"
    );
    // What comes meanwhile is carried out next.
    assert_eq!(done(agent.handle(put(3, connected(9, true)), at(110))), []);
    let actions = done(agent.handle(step(1, Outcome::Connected { version: 7 }), at(120)));
    assert!(matches!(&actions[..], [Action::Connect(task)] if task.connections[0].leaving), "{actions:?}");
    assert_eq!(done(agent.handle(step(1, Outcome::Connected { version: 9 }), at(130))), []);
    assert_eq!(status(&agent, 1).connections_version, 9);
    agent.handle(step(1, Outcome::Connected { version: 7 }), at(140));
    assert_eq!(status(&agent, 1).connections_version, 9, "a late answer takes nothing back");
}

#[test]
fn connecting_that_fails_is_told_and_tried_again() {
    let mut agent = agent_that_runs_one();
    agent.handle(put(2, connected(7, false)), at(100));
    let error = "the network can't be set up".to_owned();
    assert_eq!(done(agent.handle(step(1, Outcome::NotConnected { error: error.clone() }), at(200))), []);
    assert_eq!((status(&agent, 1).state, status(&agent, 1).message), (TaskState::Running, error));
    assert_eq!(agent.tasks.values().find_map(Held::deadline), Some(Duration::from_millis(1200)));
    assert!(matches!(done(agent.handle(Event::Tick, at(1200)))[..], [Action::Connect(_)]));
    agent.handle(step(1, Outcome::Connected { version: 7 }), at(1210));
    assert_eq!(status(&agent, 1).message, "running");
}

#[test]
fn a_task_that_is_being_connected_can_be_stopped() {
    let mut agent = agent_that_runs_one();
    agent.handle(put(2, connected(7, false)), at(100));
    let stopped = Task { desired: DesiredState::Shutdown, ..connected(7, false) };
    assert_eq!(done(agent.handle(put(3, stopped), at(110))), [Action::Stop(id(1))]);
}

#[test]
fn a_restarted_agent_connects_what_it_had_not_got_to() {
    let running =
        TaskStatus { state: TaskState::Running, connections_version: 5, ..TaskStatus::new(Timestamp(0)) };
    let ledger = vec![Task { status: running, ..connected(7, false) }];
    let found = BTreeMap::from([(id(1), Found::Running { pid: 7, has_probes: false })]);
    let (_, actions) = Agent::recover(ledger, found, at(0));
    assert!(matches!(done(actions)[..], [Action::Connect(_)]));
}
