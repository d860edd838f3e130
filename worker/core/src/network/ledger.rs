//! What each task of this node holds of its network: a namespace, addresses, published ports. Never two owners.

use std::collections::BTreeMap;
use std::path::Path;

use super::addressing::Subnets;
use super::attachment::{Access, Attachment};
use super::lease::LeasePool;
use super::names::{NameError, TaskShort};
use super::ports::{Forward, HostPort, PortChange, PortKey};
use super::refusal::LedgerError;

#[derive(Debug, Clone)]
struct Holding {
    attachment: Attachment,
    number: Option<u32>,
    forwards: BTreeMap<PortKey, Forward>,
}

/// The holdings of all tasks on this node.
#[derive(Debug, Clone)]
pub struct Ledger {
    subnets: Subnets,
    pool: LeasePool,
    holdings: BTreeMap<TaskShort, Holding>,
}

impl Ledger {
    /// Makes a ledger in which nobody holds anything.
    pub fn new(subnets: Subnets) -> Self {
        Self { subnets, pool: LeasePool::new(&subnets.ipv4), holdings: BTreeMap::new() }
    }

    /// Leases addresses to a task, or returns those it has.
    pub fn attach(
        &mut self,
        task: &str,
        netns_dir: &Path,
        access: Access,
    ) -> Result<Attachment, LedgerError> {
        let short = TaskShort::of(task)?;
        if let Some(held) = self.held_by(task, &short)? {
            if held.number.is_none() {
                return Err(LedgerError::OtherKind { task: task.to_owned(), held: "with a loopback only" });
            }
            return Ok(held.attachment.clone());
        }
        let number = self.pool.take().ok_or_else(|| LedgerError::Exhausted {
            task: task.to_owned(),
            subnet: self.subnets.ipv4.to_string(),
            size: self.pool.size(),
        })?;
        let attachment = Attachment {
            task: task.to_owned(),
            netns: netns_dir.join(short.as_str()),
            addresses: self.subnets.addresses(number),
            access,
            has_other_way_out: false,
        };
        self.hold(short, attachment.clone(), Some(number));
        Ok(attachment)
    }

    /// Notes a task that has a loopback only, or returns what it has.
    pub fn attach_bare(
        &mut self,
        task: &str,
        netns_dir: &Path,
        has_other_way_out: bool,
    ) -> Result<Attachment, LedgerError> {
        let short = TaskShort::of(task)?;
        if let Some(held) = self.held_by(task, &short)? {
            if held.number.is_some() {
                return Err(LedgerError::OtherKind { task: task.to_owned(), held: "with addresses" });
            }
            return Ok(held.attachment.clone());
        }
        let attachment = Attachment {
            task: task.to_owned(),
            netns: netns_dir.join(short.as_str()),
            addresses: Vec::new(),
            access: Access::default(),
            has_other_way_out,
        };
        self.hold(short, attachment.clone(), None);
        Ok(attachment)
    }

    /// Takes over what a task held before the daemon restarted; refuses an address or port that has an owner.
    pub fn adopt(&mut self, attachment: &Attachment, ports: &[HostPort]) -> Result<(), LedgerError> {
        let task = &attachment.task;
        let short = TaskShort::of(task)?;
        if let Some(held) = self.holdings.get(&short) {
            let holder = held.attachment.task.clone();
            return Err(LedgerError::ShortTaken { task: task.clone(), short, holder });
        }
        let number = self.number_of(attachment)?;
        self.hold(short, attachment.clone(), number);
        if ports.is_empty() {
            return Ok(());
        }
        self.set_ports(task, ports)
    }

    /// Compares the ports a task publishes with those it wants to; changes nothing.
    pub fn plan_ports(&self, task: &str, ports: &[HostPort]) -> Result<PortChange, LedgerError> {
        let (_, held, wanted) = self.wanted_forwards(task, ports)?;
        Ok(PortChange::between(&held.forwards, &wanted))
    }

    /// Notes that a task now publishes these ports.
    pub fn set_ports(&mut self, task: &str, ports: &[HostPort]) -> Result<(), LedgerError> {
        let (short, _, wanted) = self.wanted_forwards(task, ports)?;
        if let Some(held) = self.holdings.get_mut(&short) {
            held.forwards = wanted;
        }
        Ok(())
    }

    /// Releases all a task holds; nothing happens when it holds nothing.
    pub fn release(&mut self, task: &str) -> Result<(), NameError> {
        let short = TaskShort::of(task)?;
        let owned = self.holdings.get(&short).is_some_and(|held| held.attachment.task == task);
        if let Some(held) = owned.then(|| self.holdings.remove(&short)).flatten()
            && let Some(number) = held.number
        {
            self.pool.give_back(number);
        }
        Ok(())
    }

    /// Returns what every task holds, by short id.
    pub fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.holdings.values().map(|held| &held.attachment)
    }

    /// Returns what one task holds.
    pub fn attachment(&self, task: &str) -> Option<&Attachment> {
        let short = TaskShort::of(task).ok()?;
        let held = &self.holdings.get(&short)?.attachment;
        (held.task == task).then_some(held)
    }

    /// Returns every published port of the node.
    pub fn forwards(&self) -> Vec<&Forward> {
        self.holdings.values().flat_map(|held| held.forwards.values()).collect()
    }

    fn held_by(&self, task: &str, short: &TaskShort) -> Result<Option<&Holding>, LedgerError> {
        match self.holdings.get(short) {
            Some(held) if held.attachment.task != task => Err(LedgerError::ShortTaken {
                task: task.to_owned(),
                short: short.clone(),
                holder: held.attachment.task.clone(),
            }),
            held => Ok(held),
        }
    }

    fn number_of(&mut self, attachment: &Attachment) -> Result<Option<u32>, LedgerError> {
        if attachment.addresses.is_empty() {
            return Ok(None);
        }
        let task = attachment.task.clone();
        let listed: Vec<_> = attachment.addresses.iter().map(|held| held.address.to_string()).collect();
        let addresses = listed.join(", ");
        let Some(number) = self.subnets.number_of(&attachment.addresses) else {
            return Err(LedgerError::AddressForeign {
                task,
                addresses,
                subnet: self.subnets.ipv4.to_string(),
            });
        };
        if !self.pool.take_exactly(number) {
            return Err(LedgerError::AddressTaken { task, addresses });
        }
        Ok(Some(number))
    }

    fn hold(&mut self, short: TaskShort, attachment: Attachment, number: Option<u32>) {
        self.holdings.insert(short, Holding { attachment, number, forwards: BTreeMap::new() });
    }

    fn wanted_forwards(
        &self,
        task: &str,
        ports: &[HostPort],
    ) -> Result<(TaskShort, &Holding, BTreeMap<PortKey, Forward>), LedgerError> {
        let short = TaskShort::of(task)?;
        let unknown = || LedgerError::Unknown { task: task.to_owned() };
        let held = self.held_by(task, &short)?.ok_or_else(unknown)?;
        if held.number.is_none() && !ports.is_empty() {
            return Err(LedgerError::Unreachable { task: task.to_owned() });
        }
        let mut wanted = BTreeMap::new();
        for port in ports {
            let key = port.key();
            if let Some(holder) = self.publisher_besides(&short, &key) {
                return Err(LedgerError::PortTaken { task: task.to_owned(), port: key, holder });
            }
            if wanted.insert(key, Forward::new(port, &held.attachment.addresses)).is_some() {
                return Err(LedgerError::PortTwice { task: task.to_owned(), port: key });
            }
        }
        Ok((short, held, wanted))
    }

    fn publisher_besides(&self, short: &TaskShort, key: &PortKey) -> Option<String> {
        let other =
            |(holder, held): &(&TaskShort, &Holding)| *holder != short && held.forwards.contains_key(key);
        self.holdings.iter().find(other).map(|(_, held)| held.attachment.task.clone())
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
