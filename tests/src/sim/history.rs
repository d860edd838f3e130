//! A history from its beginning to its end: a faulty phase, then a quiet one in which everything has
//! to converge.

use super::{failure::Failure, happening::Happening, settings::Settings, tally::Tally, world::World};
use crate::invariants::converged;
use std::time::Duration;

/// How often the cluster is looked at in the quiet phase.
const LOOK: Duration = Duration::from_millis(500);

/// How long a cluster that has converged has to stay so.
const STAY: Duration = Duration::from_secs(30);

/// What came of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Stands for everything that happened.
    pub hash: u64,
    /// How many events there were.
    pub events: u64,
    /// How many containers ran.
    pub containers: usize,
    /// How much of what happened.
    pub tally: Tally,
    /// How long it lasted.
    pub lasted: Duration,
    /// How long the cluster took to converge.
    pub converged_after: Duration,
}

/// Runs a history.
pub fn run(settings: Settings) -> Result<Summary, Failure> {
    let faulty = settings.faulty;
    let mut world = World::new(settings);
    world.run_until(faulty)?;
    world.calm_down();
    let converged_after = world.converge()?;
    Ok(Summary {
        hash: world.trace.hash(),
        events: world.events(),
        containers: world.promises.containers_started(),
        lasted: world.now,
        tally: world.tally.clone(),
        converged_after,
    })
}

impl World {
    /// Begins the quiet phase: nothing goes wrong any more, and nobody wants anything.
    pub fn calm_down(&mut self) {
        self.note(format_args!("everything is mended"));
        self.quiet = true;
        self.mend();
    }

    /// Waits until everything is as it should be, and makes sure that it stays so.
    pub fn converge(&mut self) -> Result<Duration, Failure> {
        let took = self.settle(self.settings.quiet_max)?;
        self.note(format_args!("converged after {took:?}"));
        self.run_for(STAY)?;
        // What can't come to rest may just have made room for something that waited.
        self.settle(STAY)?;
        Ok(took)
    }

    fn settle(&mut self, longest: Duration) -> Result<Duration, Failure> {
        let begun = self.now;
        loop {
            self.run_for(LOOK)?;
            self.send_home();
            match converged::check(self) {
                Ok(()) => return Ok(self.now - begun),
                Err(left) if self.now - begun > longest => return Err(self.failure(&left)),
                Err(_) => {}
            }
        }
    }

    /// Whoever removed a node has its machine leave as well.
    fn send_home(&mut self) {
        for host in 0..self.hosts.len() {
            if !self.hosts[host].left && self.removed.contains(&self.hosts[host].id) {
                self.after(Duration::ZERO, Happening::Leave { host });
            }
        }
    }
}
