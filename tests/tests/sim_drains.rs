//! Stories of tasks that are stopped while others stand in for them: nobody loses them before all who send connections
//! there have let go.

use manager_core::{drains::PATIENCE, testing::service};
use proto::model::{ServiceId, ServiceMode};
use std::time::Duration;
use tests::sim::{Failure, Settings, World};

/// Longer than anything takes that does not wait for a fault to be noticed.
const SOON: Duration = Duration::from_secs(20);
/// Longer than a fault is noticed in and made up for.
const A_WHILE: Duration = Duration::from_secs(90);
/// As long as nodes take that carry out what they are told.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A cluster of three nodes, each with a task of `web` in the network `front` and one of `api` in `tiny`.
fn with_two(settings: Settings) -> Result<(World, ServiceId, ServiceId), Failure> {
    let mut world = World::new(settings);
    let [front, tiny] = ["front", "tiny"].map(|name| world.network_named(name));
    let web = world.create(service("web").replicas(3).network(front).build())?;
    let api = world.create(service("api").replicas(3).network(tiny).build())?;
    world.wait_for("all tasks run", SOON, |world| {
        world.running(web).len() == 3 && world.running(api).len() == 3
    })?;
    world.run_for(AT_ONCE)?;
    Ok((world, web, api))
}

fn scale(world: &mut World, service: ServiceId, replicas: u32) -> Result<(), Failure> {
    world.update(service, |spec| spec.mode = ServiceMode::Replicated { replicas })
}

#[test]
fn a_leader_that_tells_stops_at_once_is_found_out() {
    let careless = Settings { careless: true, ..Settings::scripted(11, 3, 3) };
    let (mut world, web, _) = with_two(careless).unwrap();
    let failure = scale(&mut world, web, 1).and_then(|()| world.run_for(SOON)).unwrap_err();
    assert_eq!(failure.promise(), "stops_wait_for_balancers", "{failure}");
}

#[test]
fn a_network_that_a_node_lacks_holds_up_its_own_stops_and_no_others() -> Result<(), Failure> {
    let (mut world, web, api) = with_two(Settings::scripted(12, 3, 3))?;
    let front = world.network_named("front");
    world.break_network(0, front);
    scale(&mut world, web, 2)?;
    scale(&mut world, api, 2)?;
    world.wait_for("the other stop is told", AT_ONCE, |world| world.told_to_stop(api) == 1)?;
    world.run_for(PATIENCE - 2 * AT_ONCE - AT_ONCE)?;
    assert_eq!(world.told_to_stop(web), 0);
    let told_in_the_end = |world: &World| world.told_to_stop(web) == 1 || world.running(web).len() == 2;
    world.wait_for("it is told in the end", 4 * AT_ONCE, told_in_the_end)
}

#[test]
fn when_the_leader_dies_while_a_stop_is_held_the_next_one_tells_it() -> Result<(), Failure> {
    let (mut world, web, _) = with_two(Settings::scripted(13, 3, 3))?;
    let front = world.network_named("front");
    world.break_network(0, front);
    scale(&mut world, web, 1)?;
    world.run_for(AT_ONCE)?;
    assert_eq!(world.told_to_stop(web), 0);
    world.kill_leader();
    // One may have ended before the other's node has found the new leader.
    let told_or_over = |world: &World| world.containers_of(web) <= 1 + world.told_to_stop(web);
    world.wait_for("they are told in the end", SOON, told_or_over)?;
    world.wait_for("they end", A_WHILE, |world| world.containers_of(web) == 1)
}

#[test]
fn a_node_that_is_back_after_hours_with_an_old_table_leads_nobody_to_what_has_gone() -> Result<(), Failure> {
    let (mut world, web, _) = with_two(Settings::scripted(14, 3, 3))?;
    let front = world.network_named("front");
    let hours = Duration::from_secs(5 * 3600);
    world.cut_off(1, hours + SOON);
    world.wait_for("its task is replaced", A_WHILE, |world| world.containers_of(web) == 4)?;
    world.update(web, |spec| spec.task.container.image = "app:2".into())?;
    world.wait_for("all that can be reached are new", A_WHILE, |world| {
        world.running_image(web, "app:2") == 3
    })?;
    world.kill_agent(1);
    world.start_agent(1);
    world.kill_leader();
    world.run_for(hours)?;
    let table = |world: &World, host: usize| world.hosts[host].kernel.held[&front].clone();
    assert_ne!(table(&world, 1).services, table(&world, 0).services);
    world.calm_down();
    world.converge()?;
    assert!(world.hosts.iter().all(|host| host.kernel.held.get(&front).is_none_or(|held| {
        held.services[&web].endpoints.len() == 3
            && held.services[&web].endpoints.values().all(|it| it.serves())
    })));
    Ok(())
}
