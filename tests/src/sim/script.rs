//! Doing things to a cluster one by one, for tests that tell a story.

use super::{
    failure::Failure,
    hosts::Host,
    network::{Cut, HostNo, Point},
    requests::{Outcome, Request},
    world::World,
};
use crate::invariants::Broken;
use proto::model::{
    Availability, DesiredState, Id, IdSource, NetworkId, NodeSpec, Service, ServiceId, ServiceSpec, Task,
};
use std::{sync::Arc, time::Duration};
use worker_core::agent::Agent;

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

impl World {
    /// Waits until something is so; fails if it is not after that long.
    pub fn wait_for(
        &mut self,
        what: &str,
        longest: Duration,
        mut is_so: impl FnMut(&World) -> bool,
    ) -> Result<(), Failure> {
        let end = self.now + longest;
        while !is_so(self) {
            if self.now >= end {
                let what = format!("waited {longest:?} in vain: {what}");
                return Err(self.failure(&Broken::new("the script", what)));
            }
            self.run_for(LOOK)?;
        }
        Ok(())
    }

    /// Asks for something until it is done.
    pub fn demand(&mut self, request: Request) -> Result<(), Failure> {
        let end = self.now + Duration::from_secs(60);
        while self.now < end {
            let id = self.ask(request.clone());
            self.wait_for("an answer", Duration::from_secs(30), |world| world.answers.contains_key(&id))?;
            if self.answers.get(&id) == Some(&Outcome::Done) {
                return Ok(());
            }
            self.run_for(Duration::from_millis(200))?;
        }
        Err(self.failure(&Broken::new("the script", format!("nobody does what is asked: {request:?}"))))
    }

    /// Creates a service.
    pub fn create(&mut self, spec: ServiceSpec) -> Result<ServiceId, Failure> {
        let id = Id::from_bits(self.rng.next_bits());
        self.demand(Request::Create(id, Box::new(spec)))?;
        Ok(id)
    }

    /// Changes a service's spec.
    pub fn update(&mut self, id: ServiceId, change: impl FnOnce(&mut ServiceSpec)) -> Result<(), Failure> {
        let service = self.service(id);
        let mut spec = ServiceSpec::clone(&service.spec);
        change(&mut spec);
        self.demand(Request::Update(id, Box::new(spec), service.version))
    }

    /// Sets a node's availability.
    pub fn set_availability(&mut self, host: HostNo, availability: Availability) -> Result<(), Failure> {
        let id = self.hosts[host].id;
        let node = self.state().node(id).expect("the script knows its nodes");
        let (spec, version) = (NodeSpec { availability, ..node.spec.clone() }, node.version);
        self.demand(Request::SetNode(id, spec, version))
    }

    /// A service that is there.
    pub fn service(&self, id: ServiceId) -> Arc<Service> {
        self.state().service(id).expect("the script knows its services").clone()
    }

    /// The tasks of a service that run and are meant to.
    pub fn running(&self, id: ServiceId) -> Vec<Arc<Task>> {
        let runs =
            |task: &&Arc<Task>| task.is_runnable() && task.status.state == proto::model::TaskState::Running;
        self.state().tasks_of(id).filter(runs).cloned().collect()
    }

    /// How many tasks of a service run that image.
    pub fn running_image(&self, id: ServiceId, image: &str) -> usize {
        self.running(id).iter().filter(|task| task.spec.task.container.image == image).count()
    }

    /// The machine that a task is on.
    pub fn host_of(&self, task: &Task) -> HostNo {
        let is_it = |host: &Host| Some(host.id) == task.node;
        self.hosts.iter().position(is_it).expect("a task is on one of the machines")
    }

    /// How many tasks of a service their nodes know that they are to stop.
    pub fn told_to_stop(&self, id: ServiceId) -> usize {
        let is_told = |agent: &Agent| {
            let tasks = agent.tasks().filter(|(_, desired, _)| *desired > DesiredState::Running);
            tasks.filter(|(task, ..)| agent.task(*task).is_some_and(|task| task.service == id)).count()
        };
        self.hosts.iter().filter_map(Host::agent).map(is_told).sum()
    }

    /// The network of that name.
    pub fn network_named(&self, name: &str) -> NetworkId {
        let name = name.parse().expect("the script uses good names");
        self.state().network_named(&name).expect("the script knows its networks").id
    }

    /// Has a machine not be able to carry out what it is told of a network from now on.
    pub fn break_network(&mut self, host: HostNo, network: NetworkId) {
        self.hosts[host].kernel.broken.insert(network);
    }

    /// How many containers of a service run on all machines.
    pub fn containers_of(&self, id: ServiceId) -> usize {
        let of_it = |host: &Host| {
            let running =
                host.containers.iter().filter(|(_, it)| **it == super::containers::Container::Running);
            running.filter(|(task, _)| host.ledger.get(task).is_some_and(|held| held.service == id)).count()
        };
        self.hosts.iter().map(of_it).sum()
    }

    /// Ends the leader's process.
    pub fn kill_leader(&mut self) {
        if let Some(leader) = self.newest_leader() {
            self.stop_member(leader);
        }
    }

    /// Ends the processes of all managers.
    pub fn kill_managers(&mut self) {
        (0..self.group.members.len()).for_each(|member| self.stop_member(member));
    }

    /// Starts the processes of all managers that do not run.
    pub fn start_managers(&mut self) {
        (0..self.group.members.len()).for_each(|member| self.start_member(member));
    }

    /// Kills a machine's daemon.
    pub fn kill_agent(&mut self, host: HostNo) {
        self.kill_daemon(host);
    }

    /// Starts a machine's daemon.
    pub fn start_agent(&mut self, host: HostNo) {
        self.start_daemon(host);
    }

    /// Cuts a machine's power.
    pub fn power_off(&mut self, host: HostNo) {
        self.cut_power(host);
    }

    /// Gives a machine its power back.
    pub fn power_back(&mut self, host: HostNo) {
        self.power_on(host);
    }

    /// Cuts a machine off from all managers for a while.
    pub fn cut_off(&mut self, host: HostNo, lasts: Duration) {
        let other = (0..self.group.members.len()).map(Point::Member).collect();
        self.cut(Cut { one: vec![Point::Host(host)], other }, lasts);
    }
}
