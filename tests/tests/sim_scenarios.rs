//! Stories of simulated clusters: one thing goes wrong at a bad moment, and what has to come of it.
//!
//! The promises are watched throughout, as in the random histories.

use manager_core::testing::service;
use proto::model::{Availability, FailureAction, RolloutOrder, RolloutState, ServiceId, ServiceMode};
use std::time::Duration;
use tests::sim::{Failure, Settings, World};

/// Longer than anything takes that does not wait for a fault to be noticed.
const SOON: Duration = Duration::from_secs(20);
/// Longer than a fault is noticed in and made up for.
const A_WHILE: Duration = Duration::from_secs(90);

/// A cluster that has come up, with a service of three replicas that run.
fn with_web(managers: usize, nodes: usize) -> Result<(World, ServiceId), Failure> {
    let mut world = World::new(Settings::scripted(1, managers, nodes));
    let web = world.create(service("web").replicas(3).build())?;
    world.wait_for("three tasks run", SOON, |world| world.running(web).len() == 3)?;
    Ok((world, web))
}

fn rollout_state(world: &World, id: ServiceId) -> Option<RolloutState> {
    world.service(id).rollout.as_ref().map(|rollout| rollout.state)
}

fn set_image(world: &mut World, id: ServiceId, image: &str) -> Result<(), Failure> {
    world.update(id, |spec| spec.task.container.image = image.into())
}

#[test]
fn when_the_leader_dies_in_the_middle_of_a_rollout_the_next_one_carries_on() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    set_image(&mut world, web, "app:2")?;
    world.wait_for("one slot is updated", SOON, |world| world.running_image(web, "app:2") == 1)?;
    let begun = world.service(web).rollout.as_ref().map(|rollout| rollout.started_at);
    world.kill_leader();
    world.wait_for("all slots are updated", A_WHILE, |world| world.running_image(web, "app:2") == 3)?;
    world.wait_for("the rollout ends", SOON, |world| {
        rollout_state(world, web) == Some(RolloutState::Completed)
    })?;
    assert_eq!(world.service(web).rollout.as_ref().map(|rollout| rollout.started_at), begun);
    world.calm_down();
    world.converge().map(drop)
}

#[test]
fn a_rollback_that_one_leader_began_is_ended_by_the_next() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    world.update(web, |spec| {
        spec.task.container.image = "broken:1".into();
        spec.update.failure_action = FailureAction::Rollback;
    })?;
    world.wait_for("it goes back", A_WHILE, |world| {
        rollout_state(world, web) == Some(RolloutState::RollingBack)
    })?;
    world.kill_leader();
    world.wait_for("it is back", A_WHILE, |world| {
        rollout_state(world, web) == Some(RolloutState::RolledBack)
    })?;
    assert_eq!(world.running_image(web, "app:1"), 3);
    world.calm_down();
    world.converge().map(drop)
}

#[test]
fn a_node_that_lost_power_is_replaced_and_starts_nothing_of_old_when_it_is_back() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    let lost = world.running(web)[0].clone();
    let host = world.host_of(&lost);
    world.power_off(host);
    let others = |world: &World| world.running(web).iter().filter(|task| task.node != lost.node).count();
    world.wait_for("three tasks run elsewhere", A_WHILE, |world| others(world) == 3)?;
    world.power_back(host);
    world.calm_down();
    world.converge()?;
    // That no task is started twice is a promise of its own, which would have been broken by now.
    assert_eq!((world.running(web).len(), world.containers_of(web)), (3, 3));
    Ok(())
}

#[test]
fn a_node_that_was_cut_off_stops_what_was_replaced_when_it_is_back() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    let host = world.host_of(&world.running(web)[0].clone());
    world.cut_off(host, Duration::from_secs(40));
    world.wait_for("the lost task is replaced", A_WHILE, |world| world.containers_of(web) == 4)?;
    world.wait_for("the old container is stopped", A_WHILE, |world| world.containers_of(web) == 3)?;
    world.calm_down();
    world.converge().map(drop)
}

#[test]
fn an_agent_that_restarts_while_the_managers_are_gone_keeps_its_containers() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 1)?;
    let before: Vec<_> = world.running(web).iter().map(|task| task.id).collect();
    world.kill_managers();
    world.kill_agent(0);
    world.run_for(Duration::from_secs(5))?;
    world.start_agent(0);
    world.run_for(Duration::from_secs(60))?;
    assert_eq!(world.containers_of(web), 3);
    world.start_managers();
    world.calm_down();
    world.converge()?;
    let after: Vec<_> = world.running(web).iter().map(|task| task.id).collect();
    assert_eq!(after, before);
    Ok(())
}

#[test]
fn an_update_that_another_one_overtakes_leaves_nothing_behind() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    set_image(&mut world, web, "large:2")?;
    world.run_for(Duration::from_millis(300))?;
    set_image(&mut world, web, "app:3")?;
    world.wait_for("the newest image runs", A_WHILE, |world| world.running_image(web, "app:3") == 3)?;
    world.calm_down();
    world.converge()?;
    assert_eq!(world.containers_of(web), 3);
    Ok(())
}

#[test]
fn a_node_that_is_drained_during_a_rollout_empties_out_and_the_rollout_ends() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    set_image(&mut world, web, "app:2")?;
    world.wait_for("one slot is updated", SOON, |world| world.running_image(web, "app:2") == 1)?;
    let host = world.host_of(&world.running(web)[0].clone());
    world.set_availability(host, Availability::Drain)?;
    let done = |world: &World| rollout_state(world, web) == Some(RolloutState::Completed);
    world.wait_for("the rollout ends", A_WHILE, done)?;
    world.calm_down();
    world.converge()?;
    assert_eq!(world.running_image(web, "app:2"), 3);
    assert!(world.running(web).iter().all(|task| world.host_of(task) != host));
    Ok(())
}

#[test]
fn with_start_first_a_service_never_has_fewer_tasks_than_it_should() -> Result<(), Failure> {
    let mut world = World::new(Settings::scripted(2, 3, 3));
    let web = world.create(service("web").replicas(3).order(RolloutOrder::StartFirst).build())?;
    world.wait_for("three tasks run", SOON, |world| world.running(web).len() == 3)?;
    set_image(&mut world, web, "app:2")?;
    let mut fewest = usize::MAX;
    world.wait_for("all slots are updated", A_WHILE, |world| {
        fewest = fewest.min(world.containers_of(web));
        world.running_image(web, "app:2") == 3
    })?;
    assert_eq!(fewest, 3);
    Ok(())
}

#[test]
fn a_change_that_was_acknowledged_survives_the_leader_that_made_it() -> Result<(), Failure> {
    let (mut world, web) = with_web(5, 3)?;
    for replicas in 1..5 {
        world.update(web, |spec| spec.mode = ServiceMode::Replicated { replicas })?;
        world.kill_leader();
        world.run_for(Duration::from_secs(4))?;
        world.start_managers();
        assert_eq!(world.service(web).spec.mode, ServiceMode::Replicated { replicas });
    }
    world.calm_down();
    world.converge()?;
    assert_eq!(world.containers_of(web), 4);
    Ok(())
}

#[test]
fn services_run_on_while_no_manager_does() -> Result<(), Failure> {
    let (mut world, web) = with_web(3, 3)?;
    world.kill_managers();
    world.run_for(Duration::from_secs(3600))?;
    assert_eq!(world.containers_of(web), 3);
    world.start_managers();
    world.calm_down();
    world.converge().map(drop)
}

#[test]
fn a_global_service_comes_back_to_a_node_that_was_away() -> Result<(), Failure> {
    let mut world = World::new(Settings::scripted(3, 3, 3));
    let agent = world.create(service("agent").global().build())?;
    world.wait_for("every node has one", SOON, |world| world.containers_of(agent) == 3)?;
    world.power_off(1);
    world.run_for(Duration::from_secs(30))?;
    world.power_back(1);
    world.wait_for("every node has one again", A_WHILE, |world| world.containers_of(agent) == 3)?;
    world.calm_down();
    world.converge().map(drop)
}

#[test]
fn a_node_that_was_cut_off_for_a_day_never_has_two_owners_of_a_port() -> Result<(), Failure> {
    let mut world = World::new(Settings::scripted(4, 1, 2));
    let web = world.create(service("web").replicas(2).host_port(80).build())?;
    world.wait_for("both nodes have one", SOON, |world| world.running(web).len() == 2)?;
    let day = Duration::from_secs(24 * 3600);
    world.cut_off(1, day + Duration::from_secs(60));
    world.run_for(day + Duration::from_secs(30))?;
    assert_eq!(world.containers_of(web), 2, "what is cut off runs on");
    world.wait_for("both nodes have one again", A_WHILE, |world| world.running(web).len() == 2)?;
    world.calm_down();
    world.converge().map(drop)
}
