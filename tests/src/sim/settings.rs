//! How large a simulated cluster is, and for how long things happen to it.

use super::rng::Rng;
use std::time::Duration;

/// The shape of one history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What everything random follows from.
    pub seed: u64,
    /// Members of the consensus group.
    pub managers: usize,
    /// Nodes that run tasks.
    pub nodes: usize,
    /// Whether people change things during the faulty phase.
    pub users: bool,
    /// Whether things go wrong during the faulty phase.
    pub faults: bool,
    /// Whether leaders tell every stop at once, as they must not: to see whether that is noticed.
    pub careless: bool,
    /// How long the faulty phase lasts.
    pub faulty: Duration,
    /// How long the cluster may take to converge after it. Waits that are meant to be, such as the
    /// longest restart delay of five minutes, lie within.
    pub quiet_max: Duration,
}

impl Settings {
    /// A history of any shape.
    pub fn of_seed(seed: u64) -> Self {
        // Another stream than the history's own.
        let mut rng = Rng::new(!seed);
        Self {
            seed,
            managers: rng.pick(&[1, 3, 3, 3, 5]).unwrap_or(3),
            nodes: rng.place(6) + 2,
            users: true,
            faults: !rng.chance(10),
            careless: false,
            faulty: rng.millis(120_000, 300_000),
            quiet_max: Duration::from_secs(900),
        }
    }

    /// A cluster to which nothing happens but what a test does.
    pub fn scripted(seed: u64, managers: usize, nodes: usize) -> Self {
        Self { managers, nodes, users: false, faults: false, faulty: Duration::ZERO, ..Self::of_seed(seed) }
    }
}
