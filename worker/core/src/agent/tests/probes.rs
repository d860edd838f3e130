//! What probes lead to.

use super::*;
use crate::health::Finding;

fn found(ready: bool, unhealthy: Option<&str>) -> Outcome {
    let message = if ready { "" } else { "it refuses" }.to_owned();
    Outcome::Probed(Finding { ready, unhealthy: unhealthy.map(str::to_owned), message })
}

/// An agent whose task 1 was started and is being probed.
fn probing() -> Agent {
    let mut agent = agent_with(vec![task(1, DesiredState::Running)]);
    agent.handle(step(1, Outcome::Prepared), at(10));
    let actions = done(agent.handle(step(1, Outcome::Started { pid: 99, has_probes: true }), at(20)));
    assert!(matches!(&actions[..], [Action::Probe(task)] if task.id == id(1)), "{actions:?}");
    agent
}

fn ready_and_serial(agent: &Agent) -> Option<(bool, u64)> {
    status(agent, 1).health.map(|health| (health.ready, health.serial))
}

#[test]
fn a_task_runs_once_its_probes_say_so_and_says_until_then_what_they_saw() {
    let mut agent = probing();
    agent.handle(step(1, found(false, None)), at(1000));
    let waiting = status(&agent, 1);
    assert_eq!((waiting.state, waiting.message.as_str()), (TaskState::Starting, "it refuses"));
    agent.handle(step(1, found(true, None)), at(2000));
    assert_eq!((status(&agent, 1).state, status(&agent, 1).pid), (TaskState::Running, Some(99)));
}

#[test]
fn a_task_that_is_not_ready_for_a_while_goes_on() {
    let mut agent = probing();
    agent.handle(step(1, found(true, None)), at(1000));
    assert_eq!(ready_and_serial(&agent), Some((true, 1)));
    assert_eq!(done(agent.handle(step(1, found(false, None)), at(2000))), []);
    assert_eq!((status(&agent, 1).state, ready_and_serial(&agent)), (TaskState::Running, Some((false, 2))));
    agent.handle(step(1, found(true, None)), at(3000));
    assert_eq!(ready_and_serial(&agent), Some((true, 3)));
}

#[test]
fn one_that_is_unhealthy_is_stopped_killed_and_has_failed() {
    for runs_before in [true, false] {
        let mut agent = probing();
        if runs_before {
            agent.handle(step(1, found(true, None)), at(1000));
        }
        let actions = done(agent.handle(step(1, found(false, Some("no answer"))), at(2000)));
        assert_eq!(actions, [Action::Stop(id(1))], "nobody waits for its connections");
        assert_eq!(ready_and_serial(&agent).map(|(ready, _)| ready), Some(false), "nor do they go there");
        assert_eq!(done(agent.handle(Event::Tick, at(4000))), [Action::Kill(id(1))]);
        agent.handle(step(1, exited(0)), at(4100));
        let ended = status(&agent, 1);
        assert_eq!((ended.state, ended.error.as_deref()), (TaskState::Failed, Some("unhealthy: no answer")));
    }
}

#[test]
fn one_that_is_to_stop_has_not_failed() {
    let mut agent = probing();
    agent.handle(step(1, found(false, Some("no answer"))), at(2000));
    agent.handle(full(2, vec![task(1, DesiredState::Shutdown)]), at(2100));
    agent.handle(step(1, exited(0)), at(2200));
    assert_eq!(status(&agent, 1).state, TaskState::Shutdown);
}

#[test]
fn after_a_restart_it_is_probed_again_and_runs_on_meanwhile() {
    let mut agent = probing();
    agent.handle(step(1, found(true, None)), at(1000));
    agent.handle(step(1, found(false, None)), at(2000));
    let known = agent.task(id(1)).unwrap().clone();
    let there = BTreeMap::from([(id(1), Found::Running { pid: 99, has_probes: true })]);
    let (agent, actions) = Agent::recover(vec![known], there, at(3000));
    let actions = done(actions);
    assert!(matches!(&actions[..], [Action::Probe(task)] if !task.status.is_ready()), "{actions:?}");
    assert_eq!((status(&agent, 1).state, ready_and_serial(&agent)), (TaskState::Running, Some((false, 2))));
}
