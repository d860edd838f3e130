//! What the agent does about a task's connections: it awaits the first, and lets the last come to an end.

use super::*;
use proto::model::{NetworkAddress, NetworkId};

/// Task 1, publishing a port, with a place in a network.
fn served(desired: DesiredState) -> Task {
    let mut task = task(1, desired);
    let port = 8080.try_into().unwrap();
    let protocol = PortProtocol::Tcp;
    Arc::make_mut(&mut task.spec).ports = vec![PublishedPort::ingress(protocol, port, port)];
    task.addresses = vec![NetworkAddress { network: NetworkId::from_bits(1), number: 17 }];
    task
}

fn agent_that_started() -> Agent {
    let mut agent = agent_with(vec![served(DesiredState::Running)]);
    agent.handle(step(1, Outcome::Prepared), at(10));
    let actions = done(agent.handle(step(1, Outcome::Started { pid: 99, has_probes: false }), at(20)));
    assert!(matches!(actions[..], [Action::AwaitListening(_)]), "{actions:?}");
    agent
}

fn agent_that_serves() -> Agent {
    let mut agent = agent_that_started();
    agent.handle(step(1, Outcome::Listening), at(30));
    assert_eq!(status(&agent, 1).state, TaskState::Running);
    agent
}

#[test]
fn a_task_that_publishes_a_port_runs_when_it_listens_there() {
    let mut agent = agent_that_started();
    let before = status(&agent, 1);
    assert_eq!(before.state, TaskState::Starting);
    assert!(before.message.contains("8080/tcp"), "{}", before.message);
    agent.handle(step(1, Outcome::Listening), at(30));
    let after = status(&agent, 1);
    assert_eq!((after.state, after.pid), (TaskState::Running, Some(99)));
}

#[test]
fn a_task_that_never_listens_runs_after_a_while_and_says_so() {
    let mut agent = agent_that_started();
    agent.handle(Event::Tick, at(10_019));
    assert_eq!(status(&agent, 1).state, TaskState::Starting);
    agent.handle(Event::Tick, at(10_020));
    let after = status(&agent, 1);
    assert_eq!((after.state, after.pid), (TaskState::Running, Some(99)));
    assert!(after.message.contains("does not listen on 8080/tcp"), "{}", after.message);
}

#[test]
fn a_port_for_datagrams_that_nobody_binds_is_waited_for_a_second_only_and_beside_others_no_longer() {
    let ports = |protocols: &[PortProtocol]| -> Vec<_> {
        let port = 53.try_into().unwrap();
        protocols.iter().map(|&protocol| PublishedPort::ingress(protocol, port, port)).collect()
    };
    let running_at = |protocols: &[PortProtocol], millis| {
        let mut task = served(DesiredState::Running);
        Arc::make_mut(&mut task.spec).ports = ports(protocols);
        let mut agent = agent_with(vec![task]);
        agent.handle(step(1, Outcome::Prepared), at(10));
        agent.handle(step(1, Outcome::Started { pid: 99, has_probes: false }), at(20));
        agent.handle(Event::Tick, at(millis));
        status(&agent, 1).state == TaskState::Running
    };
    assert!(!running_at(&[PortProtocol::Udp], 1019) && running_at(&[PortProtocol::Udp], 1020));
    let both = [PortProtocol::Udp, PortProtocol::Tcp];
    assert!(!running_at(&both, 10_019) && running_at(&both, 10_020));
}

#[test]
fn a_task_that_is_waited_for_to_listen_can_be_stopped_and_can_end() {
    let mut agent = agent_that_started();
    let shutdown = full(2, vec![served(DesiredState::Shutdown)]);
    assert_eq!(done(agent.handle(shutdown, at(40))), [Action::Stop(id(1))]);
    let mut agent = agent_that_started();
    agent.handle(step(1, exited(3)), at(40));
    assert_eq!(status(&agent, 1).state, TaskState::Failed);
}

#[test]
fn a_restarted_agent_goes_on_waiting_for_a_task_to_listen() {
    let mut task = served(DesiredState::Running);
    task.status.state = TaskState::Starting;
    let found = BTreeMap::from([(id(1), Found::Running { pid: 99, has_probes: false })]);
    let (agent, actions) = Agent::recover(vec![task], found, at(0));
    assert!(matches!(done(actions)[..], [Action::AwaitListening(_)]));
    assert_eq!(status(&agent, 1).state, TaskState::Starting);
}

#[test]
fn a_task_with_connections_is_stopped_when_they_have_ended() {
    let mut agent = agent_that_serves();
    let actions = done(agent.handle(full(2, vec![served(DesiredState::Shutdown)]), at(1000)));
    assert!(matches!(actions[..], [Action::Drain(_)]), "{actions:?}");
    assert_eq!(done(agent.handle(step(1, Outcome::Drained), at(1500))), [Action::Stop(id(1))]);
}

#[test]
fn connections_that_do_not_end_are_waited_for_no_longer_than_the_grace_period() {
    let mut agent = agent_that_serves();
    agent.handle(full(2, vec![served(DesiredState::Remove)]), at(1000));
    assert_eq!(done(agent.handle(Event::Tick, at(2999))), vec![]);
    assert_eq!(done(agent.handle(Event::Tick, at(3000))), [Action::Stop(id(1))]);
    assert_eq!(done(agent.handle(Event::Tick, at(5000))), [Action::Kill(id(1))]);
}

#[test]
fn a_task_that_the_managers_do_not_name_any_more_is_stopped_at_once() {
    let mut agent = agent_that_serves();
    assert_eq!(done(agent.handle(full(2, vec![]), at(1000))), [Action::Stop(id(1))]);
}

#[test]
fn a_task_that_ends_while_it_drains_is_over() {
    let mut agent = agent_that_serves();
    agent.handle(full(2, vec![served(DesiredState::Shutdown)]), at(1000));
    agent.handle(step(1, exited(0)), at(1100));
    assert_eq!(status(&agent, 1).state, TaskState::Shutdown);
    assert_eq!(done(agent.handle(step(1, Outcome::Drained), at(1200))), vec![]);
}
