//! What the kernels of machines hold of networks: what the managers tell, carried out late, in part or not at all.

use super::{
    happening::{Happening, Message},
    network::{HostNo, Side},
    sessions::Line,
    world::World,
};
use crate::invariants::no_number_twice;
use proto::{
    model::{NetworkId, NetworkTable},
    wire,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use worker_core::{
    acknowledgement::{Acknowledgement, Progress},
    known::Known,
    tables::{Tables, Told},
};

/// How long after a fault it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a machine has of networks.
#[derive(Debug, Default)]
pub struct Kernel {
    /// What its kernel was made to hold.
    pub held: BTreeMap<NetworkId, Arc<NetworkTable>>,
    /// Networks that it can't be made to hold.
    pub broken: BTreeSet<NetworkId>,
    /// What is on its disk of what the managers told.
    kept: Option<Tables>,
}

/// What a daemon knows of networks.
#[derive(Debug)]
pub struct Networking {
    known: Known,
    /// How far the kernel is.
    progress: Progress,
    /// What is said of that in the session.
    acknowledgement: Acknowledgement,
    /// When what failed is tried again.
    retry_at: Option<Duration>,
}

impl Kernel {
    /// What a daemon that starts knows.
    pub(super) fn taken_over(&self) -> Networking {
        Networking {
            known: Known::recovered(self.kept.clone()),
            progress: Progress::default(),
            acknowledgement: Acknowledgement::default(),
            retry_at: None,
        }
    }

    /// The kernel is gone, the disk stays.
    pub(super) fn lose_power(&mut self) {
        self.held.clear();
    }

    /// Makes the kernel hold what is known; gives the networks that it does not hold so.
    fn take(&mut self, known: &Known, mut fails: impl FnMut() -> bool) -> BTreeSet<NetworkId> {
        if known.is_all() {
            self.held.retain(|id, _| known.get(*id).is_some());
            self.kept = Some(known.tables().clone());
        }
        let mut lacking = BTreeSet::new();
        for (id, table) in known.tables().iter() {
            let is_done = self.held.get(&id).is_some_and(|held| Arc::ptr_eq(held, table));
            if !is_done && (self.broken.contains(&id) || fails()) {
                lacking.insert(id);
            } else {
                self.held.insert(id, table.clone());
            }
        }
        lacking
    }
}

impl World {
    fn networking(&mut self, host: HostNo) -> Option<&mut Networking> {
        self.hosts[host].daemon.as_mut().map(|daemon| &mut daemon.networking)
    }

    /// A session begins, of which nothing was acknowledged.
    pub(super) fn begin_to_acknowledge(&mut self, host: HostNo) {
        if let Some(networking) = self.networking(host) {
            networking.acknowledgement = Acknowledgement::default();
        }
    }

    /// Takes in what assignments tell of networks; `false` if something was missed.
    pub(super) fn take_networks(&mut self, host: HostNo, full: bool, sequence: u64, told: Told) -> bool {
        let Some(networking) = self.networking(host) else { return true };
        if !networking.acknowledgement.is_next(full, sequence) {
            return true;
        }
        let Ok(news) = networking.known.take(told) else { return false };
        networking.acknowledgement.told(sequence, networking.known.edition());
        networking.acknowledgement.reached(&networking.progress);
        match news {
            Some(_) => self.carry_out_soon(host),
            None => self.acknowledge_soon(host),
        }
        true
    }

    /// Mostly it is done within milliseconds; a node that is overloaded takes its time.
    fn carry_out_soon(&mut self, host: HostNo) {
        let is_slow = self.misfortune && self.rng.chance(10);
        let delay = if is_slow { self.rng.millis(500, 9_000) } else { self.rng.millis(1, 60) };
        let incarnation = self.hosts[host].incarnation;
        self.after(delay, Happening::CarryOut { host, incarnation });
    }

    /// A daemon carries out what it knows of networks.
    pub(super) fn carry_out_networks(&mut self, host: HostNo, incarnation: u64) {
        let World { hosts, rng, misfortune, now, .. } = self;
        let it = &mut hosts[host];
        let Some(daemon) = it.daemon.as_mut().filter(|_| it.incarnation == incarnation) else { return };
        let is_planned = daemon.networking.retry_at.is_some_and(|at| at > *now);
        let known = daemon.networking.known.clone();
        let lacking = it.kernel.take(&known, || *misfortune && rng.chance(5));
        let retries = !lacking.is_empty() && !is_planned;
        if retries {
            daemon.networking.retry_at = Some(*now + RETRY);
        }
        daemon.networking.progress = Progress { edition: known.edition(), lacking };
        daemon.networking.acknowledgement.reached(&daemon.networking.progress);
        let name = it.name.clone();
        let kept =
            known.tables().iter().try_for_each(|(_, table)| no_number_twice::check_table(&name, table));
        self.must(kept);
        self.acknowledge_soon(host);
        if retries {
            self.after(RETRY, Happening::CarryOut { host, incarnation });
        }
    }

    /// Now and then there is no place in the queue of what is to be sent.
    fn acknowledge_soon(&mut self, host: HostNo) {
        let is_full = self.misfortune && self.rng.chance(10);
        let delay = if is_full { self.rng.millis(100, 3_000) } else { Duration::ZERO };
        let incarnation = self.hosts[host].incarnation;
        self.after(delay, Happening::Acknowledge { host, incarnation });
    }

    /// A daemon says how far it is, if there is something to say.
    pub(super) fn acknowledge(&mut self, host: HostNo, incarnation: u64) {
        let Some(Line::Up { connection, .. }) = self.line(host) else { return };
        if self.hosts[host].incarnation != incarnation {
            return;
        }
        let word = self.networking(host).and_then(|networking| networking.acknowledgement.say());
        if let Some(word) = word {
            self.send(connection, Side::Manager, Message::CarriedOut(wire::CarriedOut::from(&word)));
        }
    }
}
