//! Random histories of whole clusters: whatever happens, the promises are kept, and once it is over
//! everything converges.
//!
//! ```text
//! cargo test -p tests --test sim_histories                                  the usual seeds, and a fresh one
//! SHOAL_SEEDS=5000 cargo test --release -p tests --test sim_histories       thousands of seeds
//! SHOAL_FIRST=100 SHOAL_SEEDS=50 cargo test -p tests --test sim_histories   seeds 100 to 149
//! SHOAL_SEED=42 cargo test -p tests --test sim_histories -- replay --nocapture
//! ```

use std::{
    collections::hash_map::RandomState,
    env,
    hash::{BuildHasher, Hasher},
    time::{Duration, Instant},
};
use tests::sim::{Settings, Summary, run};

/// Seeds that every run goes through: some tens of seconds in a debug build.
const SEEDS: u64 = 16;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, and has to be a number")))
}

fn history(seed: u64) -> Summary {
    run(Settings::of_seed(seed)).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"))
}

#[test]
fn whatever_happens_the_promises_are_kept_and_in_the_end_everything_converges() {
    let first = number("SHOAL_FIRST").unwrap_or(1);
    let seeds = number("SHOAL_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let summaries: Vec<Summary> = (first..first + seeds).map(history).collect();
    let took = begun.elapsed();
    let virtual_time: Duration = summaries.iter().map(|summary| summary.lasted).sum();
    let speed = virtual_time.as_secs_f64() / took.as_secs_f64().max(0.001);
    println!(
        "{seeds} histories, {virtual_time:.0?} of virtual time in {took:.1?}: {speed:.0} seconds a second"
    );
    let slowest = summaries.iter().map(|summary| summary.converged_after).max();
    println!("the slowest to converge took {slowest:?}");
    // A simulation in which nothing happens would find nothing.
    let containers: usize = summaries.iter().map(|summary| summary.containers).sum();
    assert!(containers as u64 > 20 * seeds, "only {containers} containers ran");
}

#[test]
fn a_seed_that_nobody_tried_before_is_good_as_well() {
    let seed = RandomState::new().build_hasher().finish();
    println!("seed {seed}");
    history(seed);
}

/// Does nothing unless a seed is given: it is there to see a failure again.
#[test]
fn replay() {
    if let Some(seed) = number("SHOAL_SEED") {
        history(seed);
    }
}
