//! What the facts mean: a check for each, in the order people read them.

mod clock;
mod disk;
mod firewalls;
#[cfg(test)]
pub mod fixtures;
mod memory;
mod parts;
pub mod ports;
mod settings;
mod sizes;

use crate::{check::Check, facts::Facts};

/// Judges everything.
pub fn all(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![parts::root(facts.is_root)];
    checks.extend(facts.containers.iter().map(parts::container));
    checks.extend(facts.network.iter().map(parts::network));
    checks.push(ports::listen_addr(facts.listen_addr, &facts.listen));
    checks.extend(ports::all(facts.listen_addr, &facts.sockets));
    checks.extend(clock::all(&facts.clock));
    checks.extend(disk::all(&facts.disk));
    checks.push(memory::memory(&facts.memory));
    checks.extend(settings::all(&facts.settings));
    checks.extend(firewalls::all(&facts.firewalls));
    checks
}
