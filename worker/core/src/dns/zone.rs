//! The names of one network, kept up to date service by service.

use std::net::IpAddr;
use std::sync::Arc;

use proto::model::{NetworkInfo, NetworkService, NetworkTable, PortProtocol, ServiceId, SlotKey};
use rpds::{RedBlackTreeMapSync as Map, RedBlackTreeSetSync as Set};

use super::answer::Record;
use super::service::Entry;
use super::well_known;

/// The names of one network. A clone costs nothing and does not change any more, so that one zone serves all
/// containers of a node.
#[derive(Debug, Clone)]
pub struct Zone {
    info: NetworkInfo,
    /// The network's name in lower case.
    label: String,
    services: Map<ServiceId, Arc<Entry>>,
    /// Whose a name is; an alias may be that of several services.
    owners: Map<String, Set<ServiceId>>,
    /// Which service has a number.
    holders: Map<u32, ServiceId>,
}

/// What a zone knows of a name.
pub(super) enum Found {
    /// It is there, and these have it: none, perhaps.
    Numbers(Vec<u32>),
    /// It is there, and this is behind it.
    Services(Vec<Record>),
    /// It has the form of a name of one of the services, and is not there.
    Nobody,
}

impl Zone {
    /// Builds the names of a network.
    pub fn new(table: &NetworkTable) -> Self {
        let mut zone = Self::empty(&table.info);
        table.services.values().for_each(|service| zone.put(service));
        zone
    }

    pub(super) fn empty(info: &NetworkInfo) -> Self {
        let label = info.name.as_str().to_ascii_lowercase();
        let (services, owners, holders) = (Map::new_sync(), Map::new_sync(), Map::new_sync());
        Self { info: info.clone(), label, services, owners, holders }
    }

    pub(super) fn describe(&mut self, info: &NetworkInfo) {
        self.label = info.name.as_str().to_ascii_lowercase();
        self.info = info.clone();
    }

    pub(super) fn put(&mut self, service: &NetworkService) {
        let entry = Arc::new(Entry::new(service));
        match self.services.get(&service.id).cloned() {
            Some(old) => {
                self.drop_names(service.id, old.names.iter().filter(|name| !entry.names.contains(name)));
                self.drop_numbers(service.id, old.numbers().filter(|&number| !entry.holds(number)));
                self.add(service.id, &entry, |number| !old.holds(number));
            }
            None => self.add(service.id, &entry, |_| true),
        }
        self.services.insert_mut(service.id, entry);
    }

    pub(super) fn remove(&mut self, service: ServiceId) {
        let Some(old) = self.services.get(&service).cloned() else { return };
        self.drop_names(service, old.names.iter());
        self.drop_numbers(service, old.numbers());
        self.services.remove_mut(&service);
    }

    fn add(&mut self, service: ServiceId, entry: &Entry, is_new: impl Fn(u32) -> bool) {
        for name in &entry.names {
            let owners = self.owners.get(name).cloned().unwrap_or_else(Set::new_sync).insert(service);
            self.owners.insert_mut(name.clone(), owners);
        }
        for number in entry.numbers().filter(|&number| is_new(number)) {
            self.holders.insert_mut(number, service);
        }
    }

    fn drop_names<'a>(&mut self, service: ServiceId, names: impl Iterator<Item = &'a String>) {
        for name in names {
            let Some(owners) = self.owners.get(name).map(|owners| owners.remove(&service)) else { continue };
            if owners.is_empty() {
                self.owners.remove_mut(name);
            } else {
                self.owners.insert_mut(name.clone(), owners);
            }
        }
    }

    fn drop_numbers(&mut self, service: ServiceId, numbers: impl Iterator<Item = u32>) {
        for number in numbers {
            // Another service may have got it in the same update.
            if self.holders.get(&number) == Some(&service) {
                self.holders.remove_mut(&number);
            }
        }
    }

    /// The network's name in lower case.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Looks a name up, given as lower-case labels without the network's name; `None` if it is none of this
    /// network.
    pub(super) fn find(&self, labels: &[&str]) -> Option<Found> {
        match *labels {
            [name] => self.shared(name, |entry| entry.balanced(name)),
            ["tasks", name] => self.shared(name, |entry| entry.serving_under(name)),
            [slot, name] => {
                let slot = slot_of(slot)?;
                self.numbers(name, |entry| entry.in_slot(slot).to_vec())
            }
            [port, protocol, name] if port.starts_with('_') => {
                let Some((port, protocol)) = port_of(port, protocol) else { return self.nobody_at(name) };
                self.behind(name, protocol, port)
            }
            [name, slot, task] => {
                let (slot, task) = (slot_of(slot)?, task.parse().ok()?);
                self.numbers(name, |entry| entry.task(slot, task).into_iter().collect())
            }
            _ => None,
        }
    }

    /// The services that a name is of.
    fn owners(&self, name: &str) -> Option<Vec<&Entry>> {
        let ids = self.owners.get(name)?;
        Some(ids.iter().filter_map(|id| self.services.get(id)).map(Arc::as_ref).collect())
    }

    /// What is behind a name without a slot, even if nobody has it at the moment; `None` if it stands for
    /// nothing.
    fn shared(&self, name: &str, of: impl Fn(&Entry) -> Option<Vec<u32>>) -> Option<Found> {
        let found: Vec<Vec<u32>> = self.owners(name)?.into_iter().filter_map(of).collect();
        (!found.is_empty()).then(|| Found::Numbers(found.concat()))
    }

    fn numbers(&self, name: &str, of: impl Fn(&Entry) -> Vec<u32>) -> Option<Found> {
        let numbers: Vec<u32> = self.owners(name)?.into_iter().flat_map(of).collect();
        Some(if numbers.is_empty() { Found::Nobody } else { Found::Numbers(numbers) })
    }

    /// The answer for something that no service has, below a name that one has.
    fn nobody_at(&self, name: &str) -> Option<Found> {
        self.owners.get(name).map(|_| Found::Nobody)
    }

    fn behind(&self, name: &str, protocol: PortProtocol, port: u16) -> Option<Found> {
        let published: Vec<(&Entry, u16)> = self
            .owners(name)?
            .into_iter()
            .filter_map(|entry| Some((entry, entry.target_of(protocol, port)?)))
            .collect();
        if published.is_empty() {
            return Some(Found::Nobody);
        }
        let behind = |(entry, port): (&Entry, u16)| {
            let target = |slot: SlotKey| format!("{slot}.{}.{}", entry.name, self.label);
            let of_slot = |slot| Record::Service { port, target: target(slot) };
            entry.serving_slots().map(of_slot).collect::<Vec<_>>()
        };
        Some(Found::Services(published.into_iter().flat_map(behind).collect()))
    }

    /// The addresses of numbers in one family.
    pub(super) fn addresses(&self, numbers: &[u32], of_ipv6: bool) -> Vec<Record> {
        let address = |&number: &u32| match of_ipv6 {
            true => self.info.ipv6_address(number).map(IpAddr::V6),
            false => Some(IpAddr::V4(self.info.ipv4_address(number))),
        };
        numbers.iter().filter_map(address).map(Record::Address).collect()
    }

    /// Whether an address is one of the network's, whoever has it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.info.ipv4.subnet.contains(&address),
            IpAddr::V6(address) => self.info.ipv6.is_some_and(|pool| pool.subnet.contains(&address)),
        }
    }

    /// The whole name of who has an address.
    pub(super) fn name_of(&self, address: IpAddr) -> Option<String> {
        let number = self.number_of(address)?;
        let service = self.services.get(self.holders.get(&number)?)?;
        Some(format!("{}.{}", service.name_of(number)?, self.label))
    }

    fn number_of(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(address) => u32::from(address).checked_sub(u32::from(self.info.ipv4.subnet.network())),
            IpAddr::V6(address) => {
                let first = u128::from(self.info.ipv6?.subnet.network());
                u32::try_from(u128::from(address).checked_sub(first)?).ok()
            }
        }
    }
}

fn slot_of(label: &str) -> Option<SlotKey> {
    // `+1` and `01` would be read as numbers, too.
    SlotKey::try_from(label.to_owned()).ok().filter(|slot| slot.to_string() == label)
}

fn port_of(port: &str, protocol: &str) -> Option<(u16, PortProtocol)> {
    let protocol = match protocol {
        "_tcp" => PortProtocol::Tcp,
        "_udp" => PortProtocol::Udp,
        "_sctp" => PortProtocol::Sctp,
        _ => return None,
    };
    let port = port.strip_prefix('_')?;
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_number { port.parse().ok() } else { well_known::port(port) };
    Some((port?, protocol))
}
