//! What the scheduler would do with one more task of a service, node by node, for people who ask.

use super::{
    addresses::Addresses,
    explain,
    filter::{self, Need},
    room::Room,
    spread::Tree,
};
use crate::{
    liveness::Liveness,
    networks::{lacks_vip, networks_of},
    state::State,
    updater::canary,
};
use proto::model::{NodeId, Service, ServiceMode, SlotKey, Timestamp};

/// How a node stands for one more task of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFit {
    /// The node.
    pub node: NodeId,
    /// Every reason why it can't have the task; none if it can.
    pub reasons: Vec<String>,
    /// Whether it is taken only if no other fits, as tasks like it failed there.
    pub is_avoided: bool,
    /// Whether it would get the task.
    pub is_next: bool,
    /// The tasks of the service on it.
    pub tasks_of_service: u32,
    /// The tasks on it.
    pub tasks: u32,
}

/// How every node stands, in the order of their ids. The error is a reason that holds for all.
///
/// A global service has one task on each node: one that is there already is no reason against it.
pub fn fits(
    state: &State,
    service: &Service,
    liveness: &Liveness,
    now: Timestamp,
) -> Result<Vec<NodeFit>, String> {
    if let Some(network) = lacks_vip(state, service) {
        return Err(format!("the service has no virtual address in network {} yet", network.spec.name));
    }
    // A slot that nobody has yet gets what a new task gets.
    let (spec, task_version) = canary::wanted(service, SlotKey::Replica(u32::MAX));
    let networks = networks_of(state, spec).map_err(|missing| missing.to_string())?;
    let scarce = Addresses::new(state).scarce(&networks)?;
    let mut rooms: Vec<Room<'_>> =
        state.nodes().map(|node| Room::of(state, node, liveness.is_connected(node.id))).collect();
    let mut need = Need::of_spec(service.id, spec, scarce, &networks);
    let is_global = service.spec.mode == ServiceMode::Global;
    if !is_global {
        need = need.avoiding_failures(state, task_version, now);
    }
    let mut fits: Vec<NodeFit> = rooms.iter().map(|room| fit(room, &need)).collect();
    if !is_global {
        if fits.iter().all(|fit| fit.is_avoided || !fit.reasons.is_empty()) {
            need.avoid.clear();
        }
        let next = Tree::grow(&rooms, &need).take_best(&mut rooms, &need);
        if let Some(next) = next.and_then(|place| fits.get_mut(place)) {
            next.is_next = true;
        }
    }
    Ok(fits)
}

fn fit(room: &Room<'_>, need: &Need<'_>) -> NodeFit {
    let reasons = filter::reasons(room, need);
    NodeFit {
        node: room.node.id,
        reasons: reasons.iter().map(|unfit| explain::describe(unfit, &[room], need)).collect(),
        is_avoided: need.avoid.contains(&room.node.id),
        is_next: false,
        tasks_of_service: room.tasks_of(need.service),
        tasks: room.tasks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BROKEN_ON_FIRST_IMAGE, Bench, node, service};
    use proto::model::Availability;
    use std::time::Duration;

    #[test]
    fn every_reason_of_every_node_is_told_and_the_next_one_named() {
        let mut bench = Bench::new();
        bench.add(node(1).label("disk", "hdd").resources(1, 1 << 30));
        let drained = bench.add(node(2).label("disk", "ssd"));
        bench.add(node(3).label("disk", "ssd"));
        bench.drain(drained);
        let spec = service("web").replicas(1).memory(2 << 30).constraint("node.labels.disk==ssd");
        let web = bench.create(spec);
        bench.settle();
        let fits = fits(&bench.state, &bench.service(web), &bench.liveness, bench.now).unwrap();
        let told: Vec<_> = fits.iter().map(|fit| (fit.reasons.join("; "), fit.is_next)).collect();
        let first = "lacks node.labels.disk==ssd; out of memory (needs 2 GiB, largest free 1 GiB)";
        assert_eq!(told, [(first.into(), false), ("drained".into(), false), (String::new(), true)]);
        assert_eq!((fits[2].tasks_of_service, fits[2].tasks), (1, 1));
    }

    #[test]
    fn what_it_says_is_what_the_scheduler_does() {
        let mut bench = Bench::new();
        (1..=5).for_each(|n| {
            bench.add(node(n));
        });
        let web = bench.create(service("web").replicas(1).image(BROKEN_ON_FIRST_IMAGE));
        bench.run_for(Duration::from_secs(200));
        for replicas in 2..12 {
            let fits = fits(&bench.state, &bench.service(web), &bench.liveness, bench.now).unwrap();
            let next = fits.iter().find(|fit| fit.is_next).unwrap().node;
            bench.scale(web, replicas);
            bench.pass();
            let newest = bench.live(web).into_iter().max_by_key(|task| task.slot).unwrap();
            assert_eq!(newest.node, Some(next));
            bench.settle();
        }
        for n in 1..=5 {
            bench.edit_node(NodeId::from_bits(n), |node| node.spec.availability = Availability::Pause);
        }
        let fits = fits(&bench.state, &bench.service(web), &bench.liveness, bench.now).unwrap();
        assert!(fits.iter().all(|fit| fit.reasons == ["paused"] && !fit.is_next));
    }
}
