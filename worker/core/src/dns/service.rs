//! One service of a network, arranged for look-ups.

use std::collections::{BTreeMap, BTreeSet};

use proto::model::{Name, NetworkService, PortProtocol, PublishedPort, SlotKey, TaskId};

/// One service of a network, arranged for look-ups. Endpoints are given by their numbers.
#[derive(Debug)]
pub(super) struct Entry {
    /// All names that lead to it or to one of its tasks, in lower case.
    pub(super) names: Vec<String>,
    /// Its name in lower case.
    pub(super) name: String,
    /// Its name and aliases in lower case; none if only single tasks of it were connected to the network.
    shared_names: Vec<String>,
    /// The endpoints that serve under a name of their own.
    own_names: BTreeMap<String, Vec<u32>>,
    vip: Option<u32>,
    /// The endpoints that serve under the service's names.
    serving: Vec<u32>,
    slots: BTreeMap<SlotKey, Endpoints>,
    tasks: BTreeMap<TaskId, (SlotKey, u32)>,
    /// Which task has a number.
    holders: BTreeMap<u32, TaskId>,
    /// Protocol, published port, port in the container.
    ports: Vec<(PortProtocol, u16, u16)>,
}

/// The endpoints of one slot: more than one while a task replaces another.
#[derive(Debug, Default)]
struct Endpoints {
    serving: Vec<u32>,
    all: Vec<u32>,
}

impl Entry {
    pub(super) fn new(service: &NetworkService) -> Self {
        let name = service.name.as_str().to_ascii_lowercase();
        let aliases = service.aliases.iter().map(|alias| alias.as_str().to_ascii_lowercase());
        let names: Vec<String> =
            std::iter::once(name.clone()).chain(aliases.filter(|alias| *alias != name)).collect();
        let mut entry = Self {
            shared_names: if is_member(service) { names.clone() } else { Vec::new() },
            names,
            name,
            own_names: BTreeMap::new(),
            vip: service.vip,
            serving: Vec::new(),
            slots: BTreeMap::new(),
            tasks: BTreeMap::new(),
            holders: BTreeMap::new(),
            ports: service.ports.iter().filter_map(port).collect(),
        };
        for (&task, endpoint) in &service.endpoints {
            let slot = entry.slots.entry(endpoint.slot).or_default();
            slot.all.push(endpoint.number);
            if endpoint.serves() {
                slot.serving.push(endpoint.number);
                match service.by_hand.get(&task) {
                    Some(names) => entry.add_own_names(names, endpoint.number),
                    None => entry.serving.push(endpoint.number),
                }
            }
            entry.tasks.insert(task, (endpoint.slot, endpoint.number));
            entry.holders.insert(endpoint.number, task);
        }
        entry
    }

    fn add_own_names(&mut self, names: &BTreeSet<Name>, number: u32) {
        for name in names.iter().map(|name| name.as_str().to_ascii_lowercase()) {
            if !self.names.contains(&name) {
                self.names.push(name.clone());
            }
            self.own_names.entry(name).or_default().push(number);
        }
    }

    /// What a name stands for; `None` if that is nothing without a slot.
    pub(super) fn balanced(&self, name: &str) -> Option<Vec<u32>> {
        let shared = self.serving_under(name).map(|serving| self.vip.map_or(serving, |vip| vec![vip]));
        let own = self.own_names.get(name).cloned();
        match (shared, own) {
            (Some(shared), Some(own)) => Some([shared, own].concat()),
            (shared, own) => shared.or(own),
        }
    }

    /// The endpoints that serve under a name of the service; `None` if it is none.
    pub(super) fn serving_under(&self, name: &str) -> Option<Vec<u32>> {
        self.shared_names.iter().any(|its| its == name).then(|| self.serving.clone())
    }

    /// The task of a slot: one that serves, or, while none does, any. Members of a database have to find each
    /// other before they are healthy.
    pub(super) fn in_slot(&self, slot: SlotKey) -> &[u32] {
        match self.slots.get(&slot) {
            Some(endpoints) if endpoints.serving.is_empty() => &endpoints.all,
            Some(endpoints) => &endpoints.serving,
            None => &[],
        }
    }

    /// The number of a task, if it is in that slot.
    pub(super) fn task(&self, slot: SlotKey, task: TaskId) -> Option<u32> {
        self.tasks.get(&task).filter(|(its, _)| *its == slot).map(|&(_, number)| number)
    }

    /// The port in the container behind a port, which may be given as it is published or as it is there.
    pub(super) fn target_of(&self, protocol: PortProtocol, port: u16) -> Option<u16> {
        let of_protocol = || self.ports.iter().filter(|(its, ..)| *its == protocol);
        let published = of_protocol().find(|(_, published, _)| *published == port);
        published.or_else(|| of_protocol().find(|(.., target)| *target == port)).map(|&(.., target)| target)
    }

    /// The slots that have a task that serves.
    pub(super) fn serving_slots(&self) -> impl Iterator<Item = SlotKey> {
        self.slots.iter().filter(|(_, endpoints)| !endpoints.serving.is_empty()).map(|(&slot, _)| slot)
    }

    /// All numbers that the service has.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.vip.into_iter().chain(self.holders.keys().copied())
    }

    /// Whether one of its tasks, or its virtual address, has a number.
    pub(super) fn holds(&self, number: u32) -> bool {
        self.vip == Some(number) || self.holders.contains_key(&number)
    }

    /// The name of who has a number, without that of the network.
    pub(super) fn name_of(&self, number: u32) -> Option<String> {
        if self.vip == Some(number) {
            return Some(self.name.clone());
        }
        let task = self.holders.get(&number)?;
        let (slot, _) = self.tasks.get(task)?;
        Some(format!("{}.{slot}.{task}", self.name))
    }
}

/// Whether the service itself is in the network, and not only single tasks that were connected.
fn is_member(service: &NetworkService) -> bool {
    let is_by_hand = |task| service.by_hand.contains_key(task);
    service.vip.is_some() || service.by_hand.is_empty() || !service.endpoints.keys().all(is_by_hand)
}

fn port(port: &PublishedPort) -> Option<(PortProtocol, u16, u16)> {
    Some((port.protocol, port.published?.get(), port.target.get()))
}
