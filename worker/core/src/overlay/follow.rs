//! What a sandbox should hold, as the managers' table and the containers change: a change costs what it changes.
//!
//! What is shared with the table before is passed over by its place in memory. Of what is not, the parts before and after
//! are put together by themselves, and compared as whole states are.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use proto::model::{NetworkPeer, NetworkService, NetworkTable, NodeId, TaskId};

use super::diff::{Step, diff};
use super::parts::{Assembly, Place};
use super::plan::{PlanError, View};
use super::state::{Container, Desired};

/// What a sandbox should hold, and what that was decided from.
#[derive(Debug, Clone)]
pub struct Plan {
    assembly: Assembly,
    table: NetworkTable,
    containers: BTreeMap<TaskId, Container>,
    /// The MTU of the link below, in bytes.
    underlay_mtu: u32,
}

/// Parts of one view that are not the same in another.
#[derive(Debug, Default)]
struct Parts<'a> {
    peers: Vec<&'a NetworkPeer>,
    services: Vec<&'a NetworkService>,
    containers: Vec<(TaskId, Container)>,
}

/// A view with what was worked out of it.
type Seen<'a> = (&'a View<'a>, &'a Place<'a>);

/// An entry of a map, before and after; `None` where it is not there.
type Change<'a, K, V> = (Option<(&'a K, &'a V)>, Option<(&'a K, &'a V)>);

impl Plan {
    /// Decides what the sandbox of a network should hold, at the cost of the whole network. How the table came to be does
    /// not matter, only what it says.
    pub fn of(view: &View<'_>) -> Result<Self, PlanError> {
        let place = Place::of(view)?;
        let mut assembly = Assembly::bare(&place);
        assembly.add_router(&place);
        view.table.peers.values().for_each(|peer| assembly.add_peer(&place, peer));
        view.table.services.values().for_each(|service| assembly.add_service(&place, service));
        view.containers.iter().for_each(|(task, held)| assembly.add_container(&place, *task, *held));
        let (table, containers) = (view.table.clone(), view.containers.clone());
        Ok(Self { assembly, table, containers, underlay_mtu: view.underlay_mtu })
    }

    /// Returns what the sandbox should hold.
    pub fn desired(&self) -> &Desired {
        &self.assembly.desired
    }

    /// Follows a change of the same node's view, and returns the steps that carry it out. After an error nothing has
    /// changed.
    pub fn follow(&mut self, view: &View<'_>) -> Result<Vec<Step>, PlanError> {
        let place = Place::of(view)?;
        let (table, containers) = (self.table.clone(), self.containers.clone());
        let before = View { table: &table, containers: &containers, ..*view };
        let (Ok(place_before), true) = (Place::of(&before), self.stands_on_the_same(&place, view)) else {
            return Ok(self.replace_by(Self::of(view)?));
        };
        let (old, new) = Parts::that_differ((&before, &place_before), (view, &place));
        let (mut from, mut to) = (Assembly::bare(&place_before), Assembly::bare(&place));
        old.add_to(&mut from, &place_before);
        new.add_to(&mut to, &place);
        self.assembly.take_out(&from.desired);
        new.add_to(&mut self.assembly, &place);
        if !self.assembly.is_disjoint {
            // Whose an entry is depends on all that claim it.
            *self = Self::of(&before)?;
            return Ok(self.replace_by(Self::of(view)?));
        }
        (self.table, self.containers) = (view.table.clone(), view.containers.clone());
        Ok(diff(&from.desired.kernel, Some(&from.desired.rules), &to.desired))
    }

    /// Tells whether nothing but parts may be other than before.
    fn stands_on_the_same(&self, place: &Place<'_>, view: &View<'_>) -> bool {
        self.assembly.is_disjoint
            && self.underlay_mtu == view.underlay_mtu
            && self.table.info == view.table.info
            && Assembly::bare(place).is_base_of(&self.assembly)
    }

    fn replace_by(&mut self, after: Self) -> Vec<Step> {
        let before = std::mem::replace(self, after);
        let Desired { kernel, rules, .. } = before.desired();
        diff(kernel, Some(rules), self.desired())
    }
}

impl<'a> Parts<'a> {
    fn that_differ((before, place_before): Seen<'a>, (after, place): Seen<'a>) -> (Self, Self) {
        let (mut old, mut new) = (Self::default(), Self::default());
        // Nodes that can be reached from now on, or no more: tasks there are backends accordingly.
        let mut turned: BTreeSet<NodeId> = BTreeSet::new();
        for (from, to) in changes(before.table.peers.iter(), after.table.peers.iter(), |_| false) {
            let (from, to) = (from.map(|(_, peer)| peer), to.map(|(_, peer)| peer));
            if from.is_some_and(|peer| place_before.reaches(peer))
                != to.is_some_and(|peer| place.reaches(peer))
            {
                turned.extend(from.or(to).map(|peer| peer.node));
            }
            old.peers.extend(from);
            new.peers.extend(to);
        }
        let has_turned = |service: &NetworkService| {
            !turned.is_empty() && service.endpoints.values().any(|held| turned.contains(&held.node))
        };
        for (from, to) in changes(before.table.services.iter(), after.table.services.iter(), has_turned) {
            old.services.extend(from.map(|(_, service)| service));
            new.services.extend(to.map(|(_, service)| service));
        }
        for (from, to) in changes(before.containers.iter(), after.containers.iter(), |_| false) {
            old.containers.extend(from.map(|(task, container)| (*task, *container)));
            new.containers.extend(to.map(|(task, container)| (*task, *container)));
        }
        (old, new)
    }

    fn add_to(&self, assembly: &mut Assembly, place: &Place<'_>) {
        self.peers.iter().for_each(|peer| assembly.add_peer(place, peer));
        self.services.iter().for_each(|service| assembly.add_service(place, service));
        self.containers.iter().for_each(|(task, held)| assembly.add_container(place, *task, *held));
    }
}

/// Compares two maps, each in the order of its keys; what is concerned counts as changed though it is the same.
fn changes<'a, K: Ord, V: PartialEq>(
    from: impl Iterator<Item = (&'a K, &'a V)>,
    to: impl Iterator<Item = (&'a K, &'a V)>,
    is_concerned: impl Fn(&V) -> bool,
) -> Vec<Change<'a, K, V>> {
    let (mut from, mut to) = (from.peekable(), to.peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (from.peek(), to.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return changes,
        };
        let change = (from.next_if(|_| order.is_le()), to.next_if(|_| order.is_ge()));
        let is_same = |(_, old): &(&K, &V), (_, new): &(&K, &V)| ptr::eq(*old, *new) || old == new;
        match &change {
            (Some(old), Some(new)) if is_same(old, new) && !is_concerned(new.1) => {}
            _ => changes.push(change),
        }
    }
}
